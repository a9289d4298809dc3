// Two panes: the list stays at the left, and a conversation is read beside it. The address is the conversation's own.

import { begin } from "./thread.js";

const isWide = matchMedia("(min-width: 87.5rem)");
const pane = document.querySelector("[data-pane]");
const frame = document.querySelector("[data-list]");
const empty = pane?.innerHTML;
const listAddress = location.href.split("#")[0];
const listTitle = document.title;
const DELAY = 120; // milliseconds, so that a held key goes through the list without asking for each
let waiting;
let shown = "";

// Links of the list that name parameters alone, for the address of the list and not of the conversation.
function settle(part) {
  for (const link of part.querySelectorAll('a[href^="?"]')) {
    if (!link.closest("[data-pane]")) link.setAttribute("href", new URL(link.getAttribute("href"), listAddress).href);
  }
}

const rowOf = (element) => element?.closest(".row");

function mark(row) {
  for (const other of document.querySelectorAll(".row.is-open")) other.classList.remove("is-open");
  row?.classList.add("is-open");
  row?.classList.remove("is-unread");
}

async function load(address) {
  shown = address;
  const { pathname, search } = new URL(address, location.href);
  pane.ariaBusy = "true";
  await htmx.ajax("GET", pathname + search, { source: pane, target: pane, swap: "innerHTML", select: "#main > *" });
  pane.ariaBusy = "false";
  if (shown !== address) return;
  const title = pane.querySelector("#title")?.textContent;
  if (title) document.title = `${title} · Omniviewer`;
  // The list is in sight: its way back closes the conversation.
  for (const back of pane.querySelectorAll(".back")) back.textContent = "× Close";
  begin(pane);
}

function open(link) {
  clearTimeout(waiting);
  mark(rowOf(link));
  history.pushState({ row: rowOf(link)?.id }, "", link.href);
  load(link.href);
}

if (pane) {
  settle(document);
  document.addEventListener("htmx:afterSettle", () => settle(document));
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".rows a, .thread-bar .within-ends a");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!isWide.matches || !pane.checkVisibility()) return;
    event.preventDefault();
    open(link);
  });
  // j and k go through the list, and show what they come to.
  document.addEventListener("focusin", ({ target }) => {
    if (!target.matches(".row-title") || !isWide.matches || !target.matches(":focus-visible")) return;
    frame.classList.add("is-by-keys");
    clearTimeout(waiting);
    if (target.href !== shown) waiting = setTimeout(() => open(target), DELAY);
  });
  document.addEventListener("pointermove", () => frame.classList.remove("is-by-keys"));
  // The way back out of a conversation leads to the list itself, where one is.
  document.addEventListener("click", (event) => {
    const back = event.target.closest("[data-pane] .back");
    if (!back || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    close();
    history.pushState({}, "", listAddress);
  });
  addEventListener("popstate", ({ state }) => {
    const address = location.href.split("#")[0];
    if (address === shown.split("#")[0]) return;
    if (address === listAddress) return shown ? close() : undefined;
    if (!isWide.matches) return location.reload();
    mark(document.getElementById(state?.row));
    load(location.href);
  });
  // Signed out, refused or not reached: the page itself says why.
  for (const failed of ["htmx:responseError", "htmx:sendError"]) {
    document.addEventListener(failed, ({ detail }) => {
      if (detail.target === pane) location.assign(shown);
    });
  }
}

function close() {
  shown = "";
  mark(null);
  pane.innerHTML = empty;
  document.title = listTitle;
}
