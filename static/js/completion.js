// Completion under a search box: what the site offers for the last word, and on an empty box what was recent search.
// A box is a combobox by the pattern of ARIA; without this it is a plain search box.

// One list a person: another may use the browser next.
const RECENT = `recent searches ${document.querySelector("[data-reader]")?.dataset.reader ?? ""}`;
const MOST_RECENT = 6;
const DELAY = 150; // milliseconds
let isFirst = true;

function recent() {
  try {
    return JSON.parse(localStorage.getItem(RECENT) ?? "[]");
  } catch {
    return [];
  }
}

function remember(text) {
  const typed = text.trim();
  if (!typed || typed.length > 200) return;
  try {
    localStorage.setItem(RECENT, JSON.stringify([typed, ...recent().filter((one) => one !== typed)].slice(0, MOST_RECENT)));
  } catch {
    // A browser that stores nothing remembers nothing.
  }
}

function option(text, meaning, insert) {
  const made = document.createElement("li");
  made.role = "option";
  made.ariaSelected = "false";
  made.dataset.insert = insert;
  made.append(Object.assign(document.createElement("span"), { textContent: text, dir: "auto" }));
  if (meaning) made.append(Object.assign(document.createElement("span"), { textContent: meaning, className: "completion-meaning" }));
  return made;
}

function attach(box) {
  const list = document.createElement("ul");
  list.className = "completions";
  list.role = "listbox";
  list.id = `completions-${box.id || (isFirst ? "first" : "other")}`;
  list.ariaLabel = "Suggestions";
  list.hidden = true;
  isFirst = false;
  box.after(list);
  box.parentElement.classList.add("has-completions");
  box.role = "combobox";
  box.ariaAutoComplete = "list";
  box.ariaExpanded = "false";
  box.setAttribute("aria-controls", list.id);
  let timer;
  let asked = 0;
  let active = -1;

  // Filters of the list stand beside its box.
  const filters = box.form.elements.filters;
  const before = () => (filters?.value ? `${filters.value} ` : "");

  const options = () => [...list.querySelectorAll("[role=option]")];
  function show(is) {
    list.hidden = !is || !options().length;
    box.ariaExpanded = String(!list.hidden);
    activate(-1);
  }
  function activate(place) {
    active = place;
    options().forEach((one, number) => {
      one.id = `${list.id}-${number}`;
      one.ariaSelected = String(number === place);
    });
    const chosen = options()[place];
    if (chosen) box.setAttribute("aria-activedescendant", chosen.id);
    else box.removeAttribute("aria-activedescendant");
    chosen?.scrollIntoView({ block: "nearest" });
  }
  async function ask() {
    const mine = ++asked;
    const text = box.value.slice(0, box.selectionStart ?? box.value.length);
    if (!text.trim()) {
      const searches = recent().map((one) => option(one, "recent search", one));
      list.replaceChildren(...searches);
      if (searches.length) list.append(forget());
      return show(true);
    }
    const address = new URL(box.dataset.complete, location.href);
    address.searchParams.set("q", before() + text);
    const answer = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (mine !== asked || !answer?.ok || answer.redirected) return;
    list.innerHTML = await answer.text();
    if (mine !== asked || document.activeElement !== box) return;
    show(true);
    // Of pages too: `palette.js` says which are left.
    if (box.dataset.opensOnly !== undefined && options().length === 1 && !box.form.parentElement.querySelector("nav a:not([hidden])")) activate(0);
  }
  function forget() {
    const row = document.createElement("li");
    row.className = "completions-end";
    row.role = "presentation";
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Clear recent searches", tabIndex: -1 });
    button.addEventListener("click", () => {
      localStorage.removeItem(RECENT);
      show(false);
      box.focus();
    });
    row.append(button);
    return row;
  }
  // A conversation is opened; a recent search, or a filter with its value, is searched for at once; with `goesOn`, the
  // reader types more.
  function choose(chosen, goesOn = false) {
    const { insert, address } = chosen.dataset;
    if (address) return location.assign(address);
    const isWhole = !box.value.trim();
    const text = !isWhole && insert.startsWith(before()) ? insert.slice(before().length) : insert;
    const rest = box.value.slice(box.selectionStart ?? box.value.length);
    if (isWhole && filters) filters.value = "";
    box.value = text + rest;
    box.setSelectionRange(text.length, text.length);
    if (!goesOn && (isWhole || insert.endsWith(" "))) return box.form.requestSubmit();
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
  }

  box.addEventListener("input", () => {
    clearTimeout(timer);
    // An answer to an older text must not be taken for the newer one.
    asked += 1;
    show(false);
    timer = setTimeout(ask, DELAY);
  });
  box.addEventListener("click", () => list.hidden && ask());
  box.addEventListener("blur", () => {
    clearTimeout(timer);
    asked += 1;
    show(false);
  });
  box.form.addEventListener("submit", () => remember(before() + box.value));
  // Before the box loses the focus.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const chosen = event.target.closest("[role=option]");
    if (chosen) choose(chosen);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const all = options();
    if (event.key === "ArrowDown" && list.hidden) {
      event.preventDefault();
      ask();
    } else if (list.hidden) {
      return;
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      // Behind the last one, and in front of the first, none is active.
      const places = all.length + 1;
      const next = (active + 1 + (event.key === "ArrowDown" ? 1 : -1) + places) % places;
      activate(next - 1);
    } else if ((event.key === "Enter" || event.key === "Tab") && all[active]) {
      event.preventDefault();
      choose(all[active], event.key === "Tab");
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      show(false);
    }
  });
}

for (const box of document.querySelectorAll("[data-complete]")) attach(box);
// The next person at this browser is not told of these searches.
for (const form of document.querySelectorAll("form[data-sign-out]")) {
  form.addEventListener("submit", () => localStorage.removeItem(RECENT));
}
