// Insights: all values of a mark under the pointer, the focus or a finger; arrow keys; blocks that come later.

const tip = document.createElement("div");
tip.className = "tip";
tip.id = "tip";
tip.role = "tooltip";
tip.hidden = true;
document.body.append(tip);
let shown;

const markOf = (target) => target instanceof Element ? target.closest(".column, .heat a") : null;

// A browser's own tooltip comes late, and to a mouse alone: its text moves to where every reader gets it.
function textOf(mark) {
  if (mark.dataset.tip === undefined) {
    const title = mark.querySelector("title");
    mark.dataset.tip = title?.textContent ?? mark.title;
    title?.remove();
    mark.removeAttribute("title");
    if (mark.matches("a")) mark.setAttribute("aria-label", mark.dataset.tip);
  }
  return mark.dataset.tip;
}

function show(mark) {
  if (mark === shown) return;
  shown = mark;
  tip.hidden = !mark;
  if (!mark) return;
  const [label, ...values] = textOf(mark).split(": ");
  const head = document.createElement("strong");
  head.textContent = label;
  tip.replaceChildren(head, document.createElement("br"), values.join(": "));
  place();
}

// Above its mark, or below where there is no room.
function place() {
  const box = shown.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = box.left + box.width / 2 - width / 2;
  tip.style.left = `${Math.max(4, Math.min(left, document.documentElement.clientWidth - width - 4))}px`;
  tip.style.top = `${box.top > height + 8 ? box.top - height - 4 : box.bottom + 4}px`;
}

document.addEventListener("pointerover", ({ target }) => show(markOf(target) ?? undefined));
document.addEventListener("focusin", ({ target }) => show(markOf(target) ?? undefined));
document.addEventListener("focusout", () => show(undefined));
addEventListener("scroll", () => shown && place(), { passive: true, capture: true });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") show(undefined);
});

// A finger cannot point without a click: the first one shows the values, the second opens the list.
let touched;
document.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "touch" && !markOf(event.target)) touched = undefined;
});
document.addEventListener("click", (event) => {
  const mark = markOf(event.target);
  if (!mark || event.pointerType !== "touch" || touched === mark) return;
  event.preventDefault();
  touched = mark;
  show(mark);
});

// One mark of a chart is in the order of the Tab key; arrow keys go on from there.
const marksOf = (group) => [...group.querySelectorAll("a")];

function rove(group) {
  marksOf(group).forEach((mark, place) => {
    textOf(mark);
    mark.setAttribute("tabindex", place ? "-1" : "0");
  });
}

document.addEventListener("keydown", (event) => {
  const group = event.target instanceof Element && event.target.closest("[data-arrows]");
  if (!group || !markOf(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  const marks = marksOf(group);
  const place = marks.indexOf(markOf(event.target));
  const next = {
    ArrowRight: place + 1,
    ArrowLeft: place - 1,
    Home: 0,
    End: marks.length - 1,
    ...below(group, marks, place),
  }[event.key];
  if (next === undefined || !marks[next]) return;
  event.preventDefault();
  marks[place].setAttribute("tabindex", "-1");
  marks[next].setAttribute("tabindex", "0");
  marks[next].focus();
});

// In the heat map: the nearest mark above and below.
function below(group, marks, place) {
  if (!group.dataset.arrows) return {};
  const cell = marks[place].closest("td");
  const near = (row) => {
    const own = row && [...row.querySelectorAll("td a")];
    if (!own?.length) return undefined;
    const distance = (mark) => Math.abs(mark.closest("td").cellIndex - cell.cellIndex);
    return marks.indexOf(own.reduce((best, mark) => (distance(mark) < distance(best) ? mark : best)));
  };
  const row = cell.parentElement;
  return { ArrowUp: near(row.previousElementSibling), ArrowDown: near(row.nextElementSibling) };
}

for (const group of document.querySelectorAll("[data-arrows]")) rove(group);

// The single questions come after the page; where they do not, the links of the page without scripts stay.
const counting = () => document.querySelectorAll("[data-counting]");
const links = new Map();
for (const place of counting()) {
  links.set(place, [...place.childNodes]);
  place.textContent = "Loading…";
}
for (const failed of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(failed, () => {
    for (const place of counting()) place.replaceChildren("That did not work. ", ...(links.get(place) ?? []));
  });
}
