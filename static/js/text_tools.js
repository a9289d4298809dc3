// Tools of tables and code in answers: copy, CSV, the whole width. The stylesheet keeps their place free.

import { copyRows } from "./copy_rows.js";
import { asCsv } from "./spreadsheet.js";
import { say } from "./say.js";
import { widen } from "./wide.js";

const button = (text, act) => {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: text });
  made.addEventListener("click", act);
  return made;
};

const cellsOf = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => ({
  text: cell.textContent.trim(), isNumber: cell.classList.contains("align-right"),
})));

function download(text, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const positionOf = (part) => part.closest(".message")?.id.replace("message-", "answer-") ?? "answer";

function equipTable(frame) {
  const tools = Object.assign(document.createElement("div"), { className: "text-tools" });
  const table = frame.querySelector("table");
  tools.append(
    button("Copy table", () => copyRows(cellsOf(table))),
    button("CSV", () => download(asCsv(cellsOf(table)), `${positionOf(frame)}.csv`)),
    button("Full width", () => widen(frame, "Table", "prose")),
  );
  frame.after(tools);
}

async function copyCode(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    say("Code copied");
  } catch {
    say("This browser does not let pages copy.");
  }
}

function equipCode(frame) {
  const tools = Object.assign(document.createElement("div"), { className: "text-tools" });
  tools.append(button("Copy code", () => copyCode(frame.querySelector("pre"))), button("Full width", () => {
    widen(frame, frame.dataset.language ?? "Code", "prose");
  }));
  frame.append(tools);
}

function equip(message) {
  for (const frame of message.querySelectorAll(".prose .table-scroll:not(:has(+ .text-tools))")) equipTable(frame);
  for (const frame of message.querySelectorAll(".prose .code:not(:has(.text-tools))")) equipCode(frame);
}

// When a message comes near the window: a long thread has hundreds of tables.
document.addEventListener("contentvisibilityautostatechange", ({ target, skipped }) => {
  if (!skipped && target.matches(".message")) equip(target);
}, true);
