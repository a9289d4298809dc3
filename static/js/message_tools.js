// Tools of each message that work only with a script, so that the page's HTML need not hold them a thousand times.

import { whenNear } from "./near.js";
import { MOVES } from "./scrolling.js";
import { showPart } from "./tabs.js";

const COPY_FOR_TICKET = Object.assign(document.createElement("button"), {
  type: "button", className: "for-ticket", textContent: "Copy for a ticket",
});
COPY_FOR_TICKET.dataset.forTicket = "";

whenNear((message) => message.querySelector(".message-foot")?.append(COPY_FOR_TICKET.cloneNode(true)));

// The job's id gets its button when somebody sees it.
function offerCopy(id) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
  button.dataset.copy = id.dataset.id ?? id.textContent;
  button.ariaLabel = "Copy the job’s id";
  id.after(" ", button);
}

// Evidence is loaded when it is opened; should that fail, the link to its page is left.
function load(evidence) {
  const link = evidence.querySelector(".evidence-body > a:only-child");
  if (!link || evidence.classList.contains("htmx-request")) return;
  htmx.ajax("GET", link.href, { source: evidence, target: evidence.querySelector(".evidence-body"), swap: "outerHTML" });
}

// Only as far as needed: the line that opened the evidence stays below the head of its answer.
function bringIntoView(foot) {
  const body = foot.querySelector(".evidence[open] > .evidence-body");
  if (!body) return;
  const head = foot.closest(".message").querySelector(".message-head");
  const top = (parseFloat(getComputedStyle(head).top) || 0) + head.offsetHeight;
  const below = body.getBoundingClientRect().bottom - innerHeight;
  const room = foot.getBoundingClientRect().top - top;
  if (below > 1 && room > 1) scrollBy({ top: Math.min(below, room), behavior: "instant" });
}

// Rows and pictures come later, and make it higher: look again, until somebody moves.
function follow(foot) {
  const observer = new ResizeObserver(() => bringIntoView(foot));
  const stop = () => {
    observer.disconnect();
    for (const move of MOVES) removeEventListener(move, stop, { capture: true });
  };
  for (const move of MOVES) addEventListener(move, stop, { passive: true, capture: true });
  setTimeout(stop, 5000);
  observer.observe(foot);
}

// A link led here: begin at the head of the answer.
let landed;
function open(evidence) {
  const isLanding = evidence === landed;
  landed = undefined;
  if (!isLanding) follow(evidence.closest(".message-foot"));
  load(evidence);
}
document.addEventListener("click", ({ target }) => {
  const foot = target.closest(".evidence [role=tab]")?.closest(".message-foot");
  if (foot) follow(foot);
});

// This event does not bubble.
document.addEventListener("toggle", ({ target }) => {
  if (!target.open) return;
  if (target.matches(".message-foot > .more")) {
    const id = target.querySelector("code:not(:has(~ .copy))");
    if (id) offerCopy(id);
  }
  if (target.matches(".message-foot > .evidence")) open(target);
}, true);

// A way to the box that finds something, where it is not beside the messages.
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-find]");
  const box = link && document.querySelector(".find input[name=find]");
  if (!box || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  box.closest(".find").classList.add("is-finding");
  box.focus();
  box.select();
});

// A click on a figure, or on the small chart, opens that part of the evidence in place; another one closes it.
document.addEventListener("click", (event) => {
  const link = event.target.closest(".message-foot [data-part]");
  const evidence = link?.closest(".message-foot").querySelector(".evidence");
  if (!evidence || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const isShown = showPart(evidence, link.dataset.part);
  evidence.open = !(evidence.open && isShown);
});

// A time tells its day and seconds to whoever points at it.
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
document.addEventListener("pointerover", ({ target }) => {
  if (target.matches?.(".message-head time:not([title])")) target.title = exact.format(new Date(target.dateTime));
});

// A mark in the list leads to the evidence of a conversation: of the first answer with a chart, or else with rows.
export function leadToEvidence() {
  if (location.hash !== "#evidence") return;
  const feet = [...document.querySelectorAll(".message-foot:has(.evidence[data-is-captured])")];
  const foot = feet.find((one) => one.querySelector(".chart-small")) ?? feet.find((one) => one.querySelector("[data-part=Rows]"));
  if (!foot) return;
  const message = foot.closest(".message");
  message.focus({ preventScroll: true });
  message.scrollIntoView({ block: "start", behavior: "instant" });
  foot.querySelector(".evidence").open = true;
}
leadToEvidence();

// A link to an answer opens its evidence where that is stored: nothing has to be asked for.
landed = document.querySelector(".message.is-focused .evidence[data-is-captured]");
if (landed) landed.open = true;
