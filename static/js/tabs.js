// Makes tabs of the headed parts within [data-tabs]; which one was chosen is remembered for the next.

const KEY = "evidence tab";
// All parts at once, where there is room for two beside each other.
const ALL = "All";
const isWide = matchMedia("(min-width: 87.5rem)");
let number = 0;

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // this browser keeps nothing
  }
}

function remember(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // then the first tab is shown next time
  }
}

const isAll = (tab) => tab.textContent === ALL;

function select(tabs, chosen) {
  for (const tab of tabs) {
    const isChosen = tab === chosen;
    tab.ariaSelected = String(isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
    if (isAll(tab)) continue;
    const part = document.getElementById(tab.getAttribute("aria-controls"));
    part.hidden = !isChosen && !isAll(chosen);
    part.querySelector(":scope > :is(h2, h3)").hidden = !isAll(chosen);
  }
  chosen.closest("[data-tabs]").classList.toggle("is-all", isAll(chosen));
}

function makeTab(part) {
  const heading = part.querySelector(":scope > :is(h2, h3)");
  const tab = Object.assign(document.createElement("button"), { type: "button", role: "tab", textContent: heading.textContent });
  number += 1;
  [tab.id, part.id] = [`tab-${number}`, `tab-part-${number}`];
  tab.setAttribute("aria-controls", part.id);
  part.role = "tabpanel";
  part.setAttribute("aria-labelledby", tab.id);
  part.tabIndex = -1;
  heading.hidden = true;
  return tab;
}

function makeAllTab(tabs) {
  const tab = Object.assign(document.createElement("button"), { type: "button", role: "tab", textContent: ALL });
  number += 1;
  tab.id = `tab-${number}`;
  tab.setAttribute("aria-controls", tabs.map((one) => one.getAttribute("aria-controls")).join(" "));
  return tab;
}

function make(parts) {
  const found = [...parts.children];
  if (found.length < 2) return;
  const list = Object.assign(document.createElement("div"), { className: "tabs", role: "tablist", ariaLabel: parts.dataset.tabs });
  const tabs = found.map(makeTab);
  tabs.push(makeAllTab(tabs));
  list.append(...tabs);
  parts.prepend(list);
  const choose = (tab) => {
    select(tabs, tab);
    remember(tab.textContent);
  };
  list.addEventListener("click", ({ target }) => { if (tabs.includes(target)) choose(target); });
  const offered = () => tabs.filter((tab) => isWide.matches || !isAll(tab));
  list.addEventListener("keydown", (event) => {
    const all = offered();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = all[(to + all.length) % all.length];
    choose(tab);
    tab.focus();
  });
  const fit = () => {
    tabs.at(-1).hidden = !isWide.matches;
    select(tabs, offered().find((tab) => tab.textContent === remembered()) ?? tabs[0]);
  };
  isWide.addEventListener("change", fit);
  fit();
}

// Select a tab by its name, now or as soon as there are tabs; tell if it was selected before.
export function showPart(within, name) {
  const tab = [...within.querySelectorAll("[role=tab]")].find((one) => one.textContent === name);
  if (tab?.ariaSelected === "true" || (tab && tab.closest("[data-tabs]").classList.contains("is-all"))) return true;
  if (tab) tab.click();
  else remember(name);
  return false;
}

// As soon as they are in the page: they are never seen one below the other.
function makeAll() {
  for (const parts of document.querySelectorAll("[data-tabs]:not(:has(> .tabs))")) make(parts);
}
makeAll();
document.addEventListener("htmx:afterSwap", makeAll);
