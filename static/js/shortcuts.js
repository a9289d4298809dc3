// Keys for what a page offers. An element says in data-key which key is its own; j and k move through [data-rows].
// Single letters get in the way of whoever speaks to the computer: one switch turns all of them off (WCAG 2.1.4).

import { cookie, setCookie } from "./cookies.js";

// Only for those who are signed in.
const dialog = document.getElementById("keys");
const isOff = () => cookie("keys") === "off";
const isVisible = (element) => element.checkVisibility();
// In the order of the dialog.
const told = [...document.querySelectorAll("#keys [data-tells]")];

// The rows of all groups of a list, each by its first link: that is what opens it.
const links = () => [...document.querySelectorAll("[data-rows] > *")].map((row) => row.querySelector("a[href]")).filter((link) => link && isVisible(link));
const rowOf = (element) => element?.closest("[data-rows] > *");
let lastRow;

document.addEventListener("focusin", ({ target }) => {
  lastRow = rowOf(target)?.id || lastRow;
});

// The list takes the conversation that was read last for the row that the keys are at.
const back = document.querySelector('.back[href*="#row-"]');
if (back) sessionStorage.setItem("last opened", back.hash.slice(1));

// From the row that has the focus, or had it: the list may have been renewed meanwhile.
function move(by) {
  const all = links();
  const here = rowOf(document.activeElement) ?? document.getElementById(lastRow);
  const at = here ? all.findIndex((link) => here.contains(link)) : -1;
  const link = all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)];
  if (!link) return false;
  link.focus({ preventScroll: true });
  rowOf(link).scrollIntoView({ block: "nearest", behavior: "instant" });
  return true;
}

// Where each message has one: that of the message with the focus, or else of the first that is in view.
function offered(key) {
  const all = [...document.querySelectorAll("[data-key]")].filter((one) => one.dataset.key === key && isVisible(one));
  if (all.length < 2) return all[0];
  const top = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
  const focused = document.activeElement.closest(".message");
  const isInView = (one) => (one.closest(".message") ?? one).getBoundingClientRect().bottom > top;
  return all.find((one) => focused?.contains(one)) ?? all.find(isInView) ?? all.at(-1);
}

function use(element) {
  if (!element) return false;
  if (!element.matches("input")) element.click();
  else {
    element.focus();
    element.select();
  }
  return true;
}

// A script of the page may have a use for a key, and lists these in `data-keys` when it hears "shortcuts".
const isUsedByPage = (key) => !document.dispatchEvent(new CustomEvent("shortcut", { detail: key, cancelable: true }));

const LIST = { j: () => move(1), k: () => move(-1) };
// Escape leaves a text box, or else the page, the way `u` does; first it closes what is open, which others do.
function leave(event) {
  if (event.repeat || document.querySelector("dialog[open], [data-menu][open], [aria-expanded=true][role=combobox]")) return false;
  if (!isTyping(event.target)) return use(offered("u"));
  if (event.target.type === "search" && event.target.value) return false;
  event.target.blur();
  return true;
}

const isTyping = (target) => target.isContentEditable || target.matches?.("textarea, select, input:not([type=checkbox], [type=radio])");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (dialog && !isOff() && event.key === "Escape" && leave(event)) return event.preventDefault();
  if (!dialog || isOff() || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const key = event.shiftKey ? event.key : event.key.toLowerCase(); // caps lock is no different
  // A key that is held down goes on through the list, and does nothing else twice.
  if (key.length !== 1 || (event.repeat && key !== "j" && key !== "k")) return;
  const done = key === "?" ? show() : LIST[key]?.() || use(offered(key)) || isUsedByPage(key);
  if (done) event.preventDefault();
});

// What the dialog shows: which keys there are, and which of them do something on this page.
function show() {
  document.dispatchEvent(new CustomEvent("shortcuts"));
  dialog.querySelector("[data-keys-off]").hidden = !isOff();
  const elsewhere = dialog.querySelector("[data-keys-elsewhere]");
  for (const row of told) {
    const key = row.dataset.tells;
    const isOfList = links().length > 0 && ["j", "k", "Enter"].includes(key);
    const ofRow = { x: ".row-select", s: ".row-star" }[key];
    const isOfRow = ofRow !== undefined && [...document.querySelectorAll(ofRow)].some(isVisible);
    const isHere = key === "?" || isOfList || isOfRow || Boolean(offered(key)) || document.querySelector(`[data-keys~="${key}"]`) !== null;
    row.classList.toggle("is-idle", isOff() || !isHere);
    (isHere ? dialog.querySelector("[data-keys-here]") : elsewhere.querySelector("dl")).append(row);
  }
  elsewhere.hidden = !elsewhere.querySelector("[data-tells]");
  if (!dialog.open) dialog.showModal();
  return true;
}
for (const button of document.querySelectorAll("[data-show-keys]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    // Where the focus returns to.
    const menu = button.closest("details");
    menu.querySelector("summary").focus();
    menu.open = false;
    show();
  });
}

// What screen readers and tooltips tell of an element's key is true.
function tell(part) {
  for (const element of part.querySelectorAll("[data-key]")) {
    const { key } = element.dataset;
    if (isOff()) element.removeAttribute("aria-keyshortcuts");
    else element.setAttribute("aria-keyshortcuts", key);
    if (!element.title) continue;
    element.dataset.title ??= element.title;
    element.title = isOff() ? element.dataset.title : `${element.dataset.title} (key ${key})`;
  }
  for (const button of part.querySelectorAll("[data-keys-switch] button")) button.ariaPressed = String(button.value === (cookie("keys") ?? ""));
}

// The switch works at once, in every place where it stands; the form does the same without JavaScript.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-keys-switch]") || !event.submitter) return;
  event.preventDefault();
  setCookie("keys", event.submitter.value);
  tell(document);
  if (dialog?.open) show();
});
tell(document);
document.addEventListener("htmx:load", ({ detail }) => tell(detail.elt.parentElement ?? detail.elt));
// Switched in another window, or before the browser's Back button.
addEventListener("pageshow", () => tell(document));
document.addEventListener("visibilitychange", () => tell(document));
