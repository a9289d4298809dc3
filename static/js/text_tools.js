// Tools of tables and code in answers: copy, CSV, the whole width. The stylesheet keeps their place free.

import { copyRows } from "./copy_rows.js";
import { whenNear } from "./near.js";
import { asCsv } from "./spreadsheet.js";
import { say } from "./say.js";
import { widen } from "./wide.js";

function makeTools(...names) {
  const tools = Object.assign(document.createElement("div"), { className: "text-tools" });
  for (const [name, text] of names) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: text });
    button.dataset.tool = name;
    tools.append(button);
  }
  return tools;
}
const OF_TABLE = makeTools(["copy", "Copy table"], ["save", "Download CSV"], ["widen", "Full width"]);
const OF_CODE = makeTools(["copy", "Copy code"], ["widen", "Full width"]);

const cellsOf = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => ({
  text: cell.textContent.trim(), isNumber: cell.classList.contains("align-right"),
})));

function save(table) {
  const position = table.closest(".message").id.replace("message-", "");
  const file = new Blob([asCsv(cellsOf(table))], { type: "text/csv" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: `answer-${position}.csv` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function copyCode(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    say("Code copied");
  } catch {
    say("This browser does not let pages copy.");
  }
}

// A table is named by its caption, or else by the heading before it.
function nameOf(frame) {
  const caption = frame.querySelector("caption")?.textContent.trim();
  if (caption) return caption;
  let before = frame.previousElementSibling;
  while (before && !before.matches("h3, h4, h5, h6")) before = before.previousElementSibling;
  const position = frame.closest(".message").id.replace("message-", "");
  return before?.textContent.trim() || `Table of answer ${position}`;
}

const TABLE = {
  copy: (frame) => copyRows(cellsOf(frame.querySelector("table"))),
  save: (frame) => save(frame.querySelector("table")),
  widen: (frame) => widen(frame, nameOf(frame), "prose"),
};
const CODE = {
  copy: (frame) => copyCode(frame.querySelector("pre")),
  widen: (frame) => widen(frame, frame.dataset.language ?? "Code", "prose"),
};

document.addEventListener("click", ({ target }) => {
  const button = target.closest(".text-tools [data-tool]");
  if (!button) return;
  const [code, tools] = [button.closest(".code"), button.parentElement];
  if (code) CODE[button.dataset.tool](code);
  else TABLE[button.dataset.tool](tools.previousElementSibling);
});

whenNear((message) => {
  for (const frame of message.querySelectorAll(".prose .table-scroll")) {
    frame.classList.add("has-tools");
    frame.after(OF_TABLE.cloneNode(true));
  }
  for (const frame of message.querySelectorAll(".prose .code")) frame.append(OF_CODE.cloneNode(true));
});
