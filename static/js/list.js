// The list: selecting several conversations, stars in their rows, the facets beside them, how high rows are.

import { cookie, setCookie } from "./cookies.js";
import { say } from "./say.js";

const listed = () => document.getElementById("listed");
const boxes = () => [...document.querySelectorAll(".row-select")];

function tell() {
  const form = listed();
  const all = form?.querySelector("[data-select-all]");
  if (!all) return;
  const ticked = boxes().filter((box) => box.checked).length;
  all.closest("label").hidden = false;
  all.checked = ticked > 0 && ticked === boxes().length;
  all.indeterminate = ticked > 0 && ticked < boxes().length;
  form.querySelector("[data-select-none]").hidden = false;
  const whole = form.querySelector("[data-all-of-search]");
  if (whole) whole.hidden = !all.checked;
  form.querySelector("[data-selected-count]").textContent = ticked ? `${ticked} selected` : "";
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-select-all]")) for (const box of boxes()) box.checked = target.checked;
  if (target.matches("[data-select-all], .row-select")) tell();
});
// With Shift, all rows between the last one that was ticked and this one get the same tick.
let last;
document.addEventListener("click", ({ target, shiftKey }) => {
  if (!target.matches(".row-select")) return;
  const all = boxes();
  const [from, to] = [all.indexOf(last), all.indexOf(target)].sort((a, b) => a - b);
  if (shiftKey && from >= 0) for (const box of all.slice(from, to + 1)) box.checked = target.checked;
  last = target;
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-all-of-search]")) return document.querySelector("[data-export-all]").requestSubmit();
  if (!target.closest("[data-select-none]")) return;
  for (const box of boxes()) box.checked = false;
  tell();
});

// Stars are set without leaving the list; the form does the same without JavaScript. Returns whether they were set.
// By row, as a list that was asked for before may say otherwise.
const justSet = new Map();
async function star(rows, isStarred) {
  const { form } = rows[0];
  const body = new FormData();
  body.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.set("do", isStarred ? "star" : "unstar");
  for (const row of rows) {
    body.append("conversation", row.value);
    row.ariaPressed = String(isStarred);
    justSet.set(row.value, { isStarred, at: Date.now() });
  }
  // keepalive: a star set just before the page is left is set all the same.
  const request = { method: "POST", body, headers: { "HX-Request": "true" }, keepalive: true };
  const answer = await fetch(form.action, request).catch(() => null);
  if (answer?.status === 204) return true;
  // Signed out, say: the page itself tells more.
  for (const row of rows) {
    row.ariaPressed = String(!isStarred);
    justSet.delete(row.value);
  }
  location.reload();
  return false;
}
document.addEventListener("click", (event) => {
  const one = event.target.closest(".row-star");
  if (!one) return;
  event.preventDefault();
  star([one], one.ariaPressed !== "true");
});

// All selected rows get a star, or lose it if all have one; only those that change come back with "Undo".
async function starSelected(selected) {
  const stars = selected.map((box) => box.closest(".row").querySelector(".row-star"));
  const isStarred = stars.some((one) => one.ariaPressed !== "true");
  const changed = stars.filter((one) => one.ariaPressed !== String(isStarred));
  if (!(await star(changed, isStarred))) return;
  const what = `${changed.length} conversation${changed.length === 1 ? "" : "s"}`;
  const values = changed.map((one) => one.value);
  say(`${isStarred ? "Starred" : "Unstarred"} ${what}.`, () => {
    // The list may have been renewed meanwhile.
    const rows = [...document.querySelectorAll(".row-star")].filter((one) => values.includes(one.value));
    if (rows.length) star(rows, !isStarred);
  });
}

// x and s act on the row that has the focus, as j and k gave it; s on the selection, where there is one.
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const key = event.key.toLowerCase();
  const isInText = event.target.matches?.("textarea, select, input:not([type=checkbox], [type=radio])");
  if (cookie("keys") === "off" || isInText || document.querySelector("dialog[open]")) return;
  const selected = boxes().filter((box) => box.checked && box.checkVisibility());
  // In a conversation beside the list, s is that conversation's.
  if (key === "s" && selected.length && !event.target.closest("[data-pane]")) {
    event.preventDefault();
    event.stopImmediatePropagation();
    starSelected(selected);
    return;
  }
  const part = { x: ".row-select", s: ".row-star" }[key];
  const own = part && document.activeElement.closest(".row")?.querySelector(part);
  if (!own?.checkVisibility()) return;
  event.preventDefault();
  own.click();
}, { capture: true });

// What was ticked stays ticked while the list is renewed.
let kept = [];
document.addEventListener("htmx:beforeSwap", () => {
  kept = boxes().filter((box) => box.checked).map((box) => box.value);
});
// At once: what is unticked before everything settles must not be ticked again.
document.addEventListener("htmx:oobAfterSwap", ({ detail }) => {
  if (detail.target.id !== "listed") return;
  for (const box of boxes()) box.checked ||= kept.includes(box.value);
  for (const row of document.querySelectorAll(".row-star")) {
    const { isStarred, at } = justSet.get(row.value) ?? {};
    if (Date.now() - at < 10_000) row.ariaPressed = String(isStarred);
  }
});
// So does the mark of the row that the reader came back to: a browser looks for an address's place once.
let marked;
document.addEventListener("htmx:beforeSwap", () => {
  marked = document.querySelector(".row:is(.is-here, :target)")?.id;
});
document.addEventListener("htmx:afterSettle", () => {
  if (marked) document.getElementById(marked)?.classList.add("is-here");
});
// The list was renewed, or shown again by the browser's Back button with what was ticked.
document.addEventListener("htmx:afterSettle", tell);
addEventListener("pageshow", tell);
tell();

// Facets are counted where they are seen: beside the list, or opened above it.
const facets = document.querySelector("[data-facets]");
let isAsked = false;
function askForFacets() {
  if (isAsked || !facets?.checkVisibility()) return;
  isAsked = true;
  facets.dispatchEvent(new Event("facets"));
}
addEventListener("resize", askForFacets);
addEventListener("hashchange", askForFacets);
// Once the browser has found the place that the address names.
if (document.readyState === "complete") askForFacets();
else addEventListener("load", askForFacets);

// The way back from a conversation leads to its row; whoever left this very list there finds it where it stood.
const PLACE = "place in the list";
const here = () => location.pathname + location.search;
addEventListener("pagehide", () => sessionStorage.setItem(PLACE, JSON.stringify({ address: here(), top: scrollY })));
function standAtLastOpened() {
  const opened = sessionStorage.getItem("last opened") ?? "";
  const named = location.hash.startsWith("#row-") ? location.hash.slice(1) : "";
  const row = document.getElementById(opened) ?? document.getElementById(named);
  const left = JSON.parse(sessionStorage.getItem(PLACE) ?? "{}");
  const isBack = left.address === here();
  if (!row?.matches(".row") || !(isBack || named || !location.search)) return;
  for (const other of document.querySelectorAll(".row.is-here")) other.classList.remove("is-here");
  row.classList.add("is-here");
  // The focus is moved from nothing else; beside a conversation, it would open the row.
  const isFree = document.activeElement === document.body || document.activeElement.matches(".row, .row *");
  if (isFree && !document.querySelector("[data-pane]")) row.querySelector("a").focus({ preventScroll: true });
  if (!named || !isBack) return;
  // Back in the history, say: the mark goes with the row that was read last.
  if (row.id !== named) location.replace(`#${row.id}`);
  scrollTo({ top: left.top, behavior: "instant" });
  // Another one, say, to which somebody went on from there.
  row.scrollIntoView({ block: "nearest", behavior: "instant" });
}
addEventListener("pageshow", standAtLastOpened);

// Values that the rail has no room for: the filters have all of them.
document.addEventListener("click", (event) => {
  const rest = event.target.closest(".facet-rest");
  const control = rest && document.querySelector(rest.hash);
  if (!control) return;
  event.preventDefault();
  control.closest("details").open = true;
  control.focus();
});

// Back here: it was refused, and the next export must not be taken for it.
if (sessionStorage.getItem("export begun") === "next") sessionStorage.removeItem("export begun");
document.addEventListener("submit", ({ target }) => {
  if (target.matches("[data-export-all]")) sessionStorage.setItem("export begun", "next");
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-density]") || !event.submitter) return;
  event.preventDefault();
  const { value } = event.submitter;
  setCookie("rows", value);
  document.querySelector("[data-list]").classList.toggle("is-compact", value === "compact");
  for (const button of event.target.querySelectorAll("button")) button.ariaPressed = String(button === event.submitter);
});
