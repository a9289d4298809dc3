// While a long thread is still being sent, no other script runs: the key of its search works all the same.

import { cookie } from "./cookies.js";

const isTyping = (target) => target.isContentEditable || target.matches?.("textarea, select, input");

function focusFind(event) {
  const box = document.querySelector(".find input[name=find]");
  if (event.key !== box?.dataset.key || event.ctrlKey || event.metaKey || event.altKey) return;
  if (cookie("keys") === "off" || isTyping(event.target)) return;
  event.preventDefault();
  box.closest(".find").classList.add("is-finding");
  box.focus();
  box.select();
}
addEventListener("keydown", focusFind);
document.addEventListener("DOMContentLoaded", () => removeEventListener("keydown", focusFind), { once: true });
