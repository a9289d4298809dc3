// What the AI did: copies rows as cells, and shows a chart once there is one.

import { say } from "./say.js";

// As in the CSV: a spreadsheet would take it for a formula.
const FORMULA = /^(?![-+]?[\s$€£¥₹₩]*[\d.,]+(e[-+]?\d+)?[\s%kKMBT$€£¥₹₩]*$|-$)[-=+@＝＋－＠\t\r\n]/;
const defused = (text) => (FORMULA.test(text) ? `'${text}` : text);

// The name of a column without the mark that says how it is sorted.
function said(cell) {
  const name = cell.querySelector("a")?.cloneNode(true);
  name?.querySelector(".sort-mark")?.remove();
  return (name ?? cell).textContent;
}

// Two forms at once: a spreadsheet takes cells from either, an editor the table.
function cells(table) {
  const rows = [...table.rows].map((row) => [...row.cells].map((cell) => defused(said(cell))));
  const plain = rows.map((row) => row.map((cell) => (/[\t\r\n"]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join("\t")).join("\n");
  const copy = document.createElement("table");
  for (const [number, row] of rows.entries()) {
    const line = copy.insertRow();
    for (const cell of row) line.appendChild(document.createElement(number ? "td" : "th")).textContent = cell;
  }
  return { plain, html: copy.outerHTML, count: rows.length - 1 };
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-table]");
  if (!button) return;
  const { plain, html, count } = cells(button.closest(".rows-of-query").querySelector("table"));
  try {
    await navigator.clipboard.write([new ClipboardItem({
      "text/plain": new Blob([plain], { type: "text/plain" }),
      "text/html": new Blob([html], { type: "text/html" }),
    })]);
    say(`${count} row${count === 1 ? "" : "s"} copied`);
  } catch {
    say("This browser does not let pages copy; download the CSV in its place.");
  }
});

function show(part) {
  for (const button of part.querySelectorAll("[data-copy-table]")) button.hidden = false;
}
show(document);
document.addEventListener("htmx:load", (event) => show(event.detail.elt));
