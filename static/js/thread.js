// Keeps in view what is being read: a linked message, one chosen from the outline, or where one was before a reload.

import "./highlights.js";
import "./copy.js";
import { leadToEvidence } from "./message_tools.js";
import "./message_keys.js";
import "./evidence.js";
import "./tables.js";
import "./text_tools.js";
import { hold, MOVES } from "./scrolling.js";

const now = { block: "start", behavior: "instant" };

// The reader’s place: the first message that begins in view, or else the one that fills the window, and how far down it
// stood. Until somebody moves, there is none.
const key = `place ${location.pathname}${location.search}`;
const [{ type }] = performance.getEntriesByType("navigation");
if (type === "navigate") sessionStorage.removeItem(key);
let hasMoved = false;
for (const moving of MOVES) {
  addEventListener(moving, () => { hasMoved = true; }, { passive: true, once: true, capture: true });
}
addEventListener("pagehide", () => {
  if (!hasMoved) return;
  const messages = [...document.querySelectorAll(".message")];
  const begins = (one) => one.getBoundingClientRect().top >= 0 && one.getBoundingClientRect().top < innerHeight;
  const message = messages.find(begins) ?? messages.find((one) => one.getBoundingClientRect().bottom > 0);
  const top = message?.getBoundingClientRect().top;
  if (message && scrollY > 0) sessionStorage.setItem(key, JSON.stringify({ id: message.id, top }));
  else sessionStorage.removeItem(key);
});

const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
const before = kept && document.getElementById(kept.id);
const focused = document.querySelector(".message.is-focused");
if (focused) focused.focus({ preventScroll: true });
if (before || focused) {
  const look = () => {
    if (hasMoved) return;
    if (!before) return focused.scrollIntoView(now);
    scrollBy({ top: before.getBoundingClientRect().top - kept.top, behavior: "instant" });
    // Not drawn yet, it is not as high as it was, and would never come into view by itself.
    if (before.getBoundingClientRect().bottom <= 0) before.scrollIntoView(now);
  };
  if (before) history.scrollRestoration = "manual";
  hold(look);
  addEventListener("load", () => hold(look), { once: true });
}

// The outline, and the ways to both ends. Without this the links lead there, less exactly.
document.addEventListener("click", (event) => {
  const link = event.target.closest(".outline a, .jump a");
  const target = link && document.getElementById(link.hash.slice(1));
  if (!target || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  target.focus({ preventScroll: true });
  const isTop = target.id === "main";
  hold(() => (isTop ? scrollTo({ top: 0, behavior: "instant" }) : target.scrollIntoView(now)));
});

const isWide = matchMedia("(min-width: 72rem)");
let isOpen;
function outline(part) {
  const found = part.querySelector("[data-outline]");
  if (!found) return;
  found.open = isOpen ?? isWide.matches;
  found.addEventListener("toggle", () => { isOpen = found.open; });
  requestAnimationFrame(tellCurrent);
}

// Mark the question that is being read, or whose answer is: the message a quarter down the window. An observer of each
// question would cost more with each frame, the longer the thread is. Ten times a second, between frames: else each frame
// of a scroll would be laid out twice.
let isWaiting = false;
function tellCurrent() {
  isWaiting = false;
  const messages = document.getElementById("messages");
  const outline = document.querySelector("[data-outline]");
  if (!messages || !outline?.open) return;
  const left = messages.getBoundingClientRect().left + 40;
  // A little higher, should that be between two messages.
  const at = (height) => document.elementFromPoint(left, height)?.closest(".turn");
  let turn = at(innerHeight / 4) ?? at(innerHeight / 4 - 30);
  while (turn && !turn.querySelector(":scope > .question")) turn = turn.previousElementSibling;
  const link = turn && outline.querySelector(`a[href="#message-${turn.id.replace("turn-", "")}"]`);
  if (!link || link.ariaCurrent) return;
  outline.querySelector("a[aria-current]")?.removeAttribute("aria-current");
  link.ariaCurrent = "true";
  // Not by scrollIntoView, which would take the page along.
  const list = link.closest("ol");
  list.scrollTop = link.offsetTop - list.clientHeight / 2;
}
document.addEventListener("scroll", ({ target }) => {
  if (isWaiting || target.matches?.(".outline ol")) return;
  isWaiting = true;
  setTimeout(tellCurrent, 100);
}, { capture: true, passive: true });
outline(document);
document.addEventListener("htmx:load", ({ detail }) => {
  if (detail.elt.id === "outline") outline(detail.elt);
});

// Beside the list, a thread comes later than its script.
export function begin(part) {
  outline(part);
  leadToEvidence();
  const message = part.querySelector(".message.is-focused");
  if (!message && location.hash === "#evidence") return;
  if (!message) return scrollTo({ top: 0, behavior: "instant" });
  message.focus({ preventScroll: true });
  hold(() => message.scrollIntoView(now));
}
