// Evidence: copies rows as cells, and shows them in the whole width.

import "./tabs.js";
import { widen } from "./wide.js";
import { copyRows } from "./copy_rows.js";

// The name of a column without the mark that says how it is sorted.
function said(cell) {
  const name = cell.querySelector("a")?.cloneNode(true);
  name?.querySelector(".sort-mark")?.remove();
  return (name ?? cell).textContent;
}

// Of a result that Omni cut, a last column names the part of each row, as in the CSV.
function cells(table) {
  const isCut = table.querySelector("[data-section]") !== null;
  const rows = [];
  let section = table.dataset.sectionColumn;
  for (const row of table.rows) {
    if (row.dataset.section) {
      section = row.dataset.section;
      continue;
    }
    const found = [...row.cells].map((cell) => ({ text: said(cell), isNumber: cell.classList.contains("number") }));
    rows.push(isCut ? [...found, { text: section, isNumber: false }] : found);
  }
  return rows;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copy-table]");
  if (button) copyRows(cells(button.closest(".rows-of-query").querySelector("table")));
});

document.addEventListener("click", ({ target }) => {
  const rows = target.closest("[data-widen]")?.closest(".rows-of-query");
  if (rows) widen(rows, rows.querySelector("caption")?.textContent ?? "Rows");
});

function show(part) {
  for (const button of part.querySelectorAll("[data-copy-table], [data-widen]")) button.hidden = false;
}
show(document);
document.addEventListener("htmx:load", (event) => show(event.detail.elt));
