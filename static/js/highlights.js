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

// Words beside each other are likelier what was meant than one of them alone.
function together(all) {
  const words = document.querySelector(".find input[name=find]")?.value.trim().split(/\s+/).length ?? 1;
  const isNext = (mark, after) => {
    const range = document.createRange();
    range.setStartAfter(mark);
    range.setEndBefore(after);
    return range.toString().trim() === "" && mark.closest("p, li, td, th, .asked") === after.closest("p, li, td, th, .asked");
  };
  const begins = (_, at) => {
    const run = all.slice(at, at + words);
    return run.length === words && new Set(run.map((mark) => mark.textContent.toLowerCase())).size === words
      && run.every((mark, place) => place === 0 || isNext(run[place - 1], mark));
  };
  return all.find(begins) ?? all[0];
}

// Whoever looked for something in this conversation is led to it; who loads the page again stays where they are.
const [{ type }] = performance.getEntriesByType("navigation");
if (document.querySelector("[data-jump]") && type === "navigate") {
  const first = together(marks());
  if (first) show(first);
}
