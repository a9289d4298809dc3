// The words that were searched for, one after the other; behind the last one the next conversation of the list.

import { hold } from "./scrolling.js";

const marks = () => [...document.querySelectorAll(".message mark:not(.goes-on)")].filter((mark) => mark.getClientRects().length);
let current;

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-mark]");
  if (!button) return;
  const by = Number(button.dataset.mark);
  const all = marks();
  let place = all.indexOf(current);
  const focused = document.querySelector(".message.is-focused");
  if (place < 0 && focused) place = all.findIndex((mark) => focused.contains(mark)) - (by > 0 ? 1 : 0);
  const next = all[place + by];
  if (!next) return document.querySelector(`.within [rel=${by > 0 ? "next" : "prev"}]`)?.click();
  show(next);
});

// Also of a thread that comes later than this script.
function offer(part) {
  for (const button of part.querySelectorAll("[data-mark]")) button.hidden = false;
}
offer(document);
document.addEventListener("htmx:load", ({ detail }) => offer(detail.elt));

function show(mark) {
  current?.classList.remove("is-current");
  current = mark;
  current.classList.add("is-current");
  const all = marks();
  document.querySelector("[data-mark-place]").textContent = `${all.indexOf(mark) + 1} of ${all.length}`;
  hold(() => current.scrollIntoView({ block: "center", behavior: "instant" }));
}

// Whoever looked for something in this conversation is led to it; who loads the page again stays where they are.
const [{ type }] = performance.getEntriesByType("navigation");
if (document.querySelector("[data-jump]") && type === "navigate") {
  const first = marks()[0];
  if (first) show(first);
}
