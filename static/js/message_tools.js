// Tools of each message that work only with a script, so that the page's HTML need not hold them a thousand times.

import { whenNear } from "./near.js";

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

// This event does not bubble.
document.addEventListener("toggle", ({ target }) => {
  if (!target.open) return;
  if (target.matches(".message-foot > .more")) {
    const id = target.querySelector("code:not(:has(~ .copy))");
    if (id) offerCopy(id);
  }
  if (target.matches(".message-foot > .evidence")) load(target);
}, true);

// A click on the small chart opens the evidence in place.
document.addEventListener("click", (event) => {
  const link = event.target.closest(".message-foot .chart-small");
  const evidence = link?.closest(".message-foot").querySelector(".evidence");
  if (!evidence || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  evidence.open = !evidence.open;
});

// A time tells its day and seconds to whoever points at it.
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
document.addEventListener("pointerover", ({ target }) => {
  if (target.matches?.(".message-head time:not([title])")) target.title = exact.format(new Date(target.dateTime));
});

// A link to an answer opens its evidence where that is stored: nothing has to be asked for.
const stored = document.querySelector(".message.is-focused .evidence[data-is-captured]");
if (stored) stored.open = true;
