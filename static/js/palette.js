// The palette: every page and the search behind one key. Two keys lead to a page at once: g, and the page's letter.

import { cookie } from "./cookies.js";

const palette = document.getElementById("palette");
const SECONDS = 1.5; // between the two keys
let sinceG = -Infinity;

const isTyping = (target) => target.isContentEditable || target.matches?.("textarea, select, input:not([type=checkbox], [type=radio])");

function open() {
  palette.showModal();
  const box = palette.querySelector("input");
  box.value = "";
  narrow();
  box.focus();
}

// The pages whose names hold what is typed.
function narrow() {
  const typed = palette.querySelector("input").value.trim().toLowerCase();
  for (const link of palette.querySelectorAll("nav a")) link.hidden = !link.textContent.toLowerCase().includes(typed);
}

if (palette) {
  palette.querySelector("input").addEventListener("input", narrow);
  // A page that is the only one left is what Enter opens, unless more than its name is typed.
  palette.querySelector("form").addEventListener("submit", (event) => {
    const left = [...palette.querySelectorAll("nav a:not([hidden])")];
    if (!palette.querySelector("input").value.trim() || left.length !== 1) return;
    event.preventDefault();
    left[0].click();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (palette.open) palette.close();
      else if (!document.querySelector("dialog[open]")) open();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || cookie("keys") === "off") return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const key = event.key.toLowerCase();
    const link = event.timeStamp - sinceG < SECONDS * 1000 && palette.querySelector(`[data-go="${CSS.escape(key)}"]`);
    sinceG = key === "g" ? event.timeStamp : -Infinity;
    if (!link) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    link.click();
  }, { capture: true });
  for (const button of document.querySelectorAll("[data-show-palette]")) {
    button.hidden = false;
    button.addEventListener("click", open);
  }
}
