// Keys in a thread. `shortcuts.js`, which hears all keys, hands on those that no element of the page has for its own.

import { equipNow } from "./near.js";
import { hold } from "./scrolling.js";

const all = () => [...document.querySelectorAll(".message")];
const headerHeight = () => parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;

// The place of the message with the focus, or else of the first that is in view.
function here(messages) {
  const focused = messages.indexOf(document.activeElement.closest(".message"));
  if (focused >= 0) return focused;
  const top = headerHeight();
  return messages.findIndex((message) => message.getBoundingClientRect().bottom > top);
}

function go(by) {
  const messages = all();
  const at = here(messages);
  const isAtStart = by > 0 && messages[at] && messages[at].getBoundingClientRect().top >= headerHeight() && !messages[at].contains(document.activeElement);
  const next = messages[isAtStart ? at : Math.min(Math.max(at + by, 0), messages.length - 1)];
  if (!next) return false;
  next.focus({ preventScroll: true });
  hold(() => next.scrollIntoView({ block: "start", behavior: "instant" }));
  return true;
}

// Find it in the message that is read, or the next that has one: a question's is that of its answer.
function find(selector) {
  const messages = all();
  const found = messages.map((message) => message.querySelector(selector));
  return found.slice(Math.max(here(messages), 0)).find(Boolean) ?? found.findLast(Boolean);
}

function click(selector) {
  const found = find(selector);
  found?.click();
  return Boolean(found);
}

function toggleEvidence() {
  const evidence = find(".message-foot > .evidence");
  if (!evidence) return false;
  evidence.open = !evidence.open;
  if (!evidence.open) hold(() => evidence.querySelector("summary").scrollIntoView({ block: "nearest", behavior: "instant" }));
  return true;
}

function copyForTicket() {
  const foot = find(".message-foot");
  if (foot) equipNow(foot.closest(".turn"));
  foot?.querySelector(".for-ticket").click();
  return Boolean(foot);
}

const OPEN_IN_OMNI = ".message-foot > .more > a[rel]";
const KEYS = { j: () => go(1), k: () => go(-1), e: toggleEvidence, c: copyForTicket, o: () => click(OPEN_IN_OMNI) };
const NEEDS = { j: ".message", k: ".message", e: ".evidence", c: ".message-foot", o: OPEN_IN_OMNI };

document.addEventListener("shortcut", (event) => {
  if (KEYS[event.detail]?.()) event.preventDefault();
});
// Before the keys are listed.
document.addEventListener("shortcuts", () => {
  const messages = document.getElementById("messages");
  const offered = Object.keys(KEYS).filter((key) => document.querySelector(NEEDS[key]));
  if (messages) messages.dataset.keys = offered.join(" ");
});
