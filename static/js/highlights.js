// The words that were searched for, one after the other; behind the last one the next conversation of the list.

import { hold } from "./scrolling.js";

const marks = () => [...document.querySelectorAll(".message mark:not(.goes-on)")].filter((mark) => mark.getClientRects().length);
const words = () => document.querySelector(".find input[name=find]")?.value.trim().split(/\s+/).length ?? 1;
const block = (mark) => mark.closest("p, li, td, th, .asked");
let current = [];

function isNext(mark, after) {
  if (block(mark) !== block(after)) return false;
  const range = document.createRange();
  range.setStartAfter(mark);
  range.setEndBefore(after);
  return range.toString().trim() === "";
}

// Matches, each as its marks: different words beside each other are one.
function matches() {
  const found = [];
  for (const mark of marks()) {
    const last = found.at(-1) ?? [];
    const isNew = last.every((other) => other.textContent.toLowerCase() !== mark.textContent.toLowerCase());
    if (last.length && last.length < words() && isNew && isNext(last.at(-1), mark)) last.push(mark);
    else found.push([mark]);
  }
  return found;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-mark]");
  if (!button) return;
  const by = Number(button.dataset.mark);
  const all = matches();
  let place = all.findIndex(([mark]) => mark === current[0]);
  const focused = document.querySelector(".message.is-focused");
  if (place < 0 && focused) place = all.findIndex(([mark]) => focused.contains(mark)) - (by > 0 ? 1 : 0);
  const next = all[place + by];
  if (!next) return document.querySelector(`.within [rel=${by > 0 ? "next" : "prev"}]`)?.click();
  show(next, all);
});

// Also of a thread that comes later than this script.
function offer(part) {
  for (const button of part.querySelectorAll("[data-mark]")) button.hidden = false;
}
offer(document);
document.addEventListener("htmx:load", ({ detail }) => offer(detail.elt));

function show(match, all) {
  for (const mark of current) mark.classList.remove("is-current");
  current = match;
  for (const mark of current) mark.classList.add("is-current");
  document.querySelector("[data-mark-place]").textContent = `${all.indexOf(match) + 1} of ${all.length}`;
  hold(() => current[0].scrollIntoView({ block: "center", behavior: "instant" }));
}

// Whoever looked for something in this conversation is led to it; who loads the page again stays where they are.
const [{ type }] = performance.getEntriesByType("navigation");
if (document.querySelector("[data-jump]") && type === "navigate") {
  const all = matches();
  // All words beside each other are likelier what was meant than one of them alone.
  const first = all.find((match) => match.length === words()) ?? all[0];
  if (first) show(first, all);
}
