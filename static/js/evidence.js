// What the AI did: copies rows as cells, and shows a chart once there is one.

import { asHtml, asPlain, defused } from "./spreadsheet.js";
import { say } from "./say.js";

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
    const found = [...row.cells].map((cell) => ({ text: defused(said(cell)), isNumber: cell.classList.contains("number") }));
    rows.push(isCut ? [...found, { text: section, isNumber: false }] : found);
  }
  return rows;
}

// By the event, which hands over the HTML as it is: the other way takes out what tells a spreadsheet that it is text.
function copied(plain, html) {
  let isDone = false;
  const fill = (event) => {
    event.preventDefault();
    event.clipboardData.setData("text/plain", plain);
    event.clipboardData.setData("text/html", html);
    isDone = true;
  };
  document.addEventListener("copy", fill, { once: true });
  document.execCommand("copy");
  document.removeEventListener("copy", fill);
  return isDone;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-table]");
  if (!button) return;
  const rows = cells(button.closest(".rows-of-query").querySelector("table"));
  const [plain, html, count] = [asPlain(rows), asHtml(rows), rows.length - 1];
  try {
    if (!copied(plain, html)) {
      await navigator.clipboard.write([new ClipboardItem({
        "text/plain": new Blob([plain], { type: "text/plain" }),
        "text/html": new Blob([html], { type: "text/html" }),
      })]);
    }
    say(`${count} row${count === 1 ? "" : "s"} copied`);
  } catch {
    say("This browser does not let pages copy. Download the CSV instead.");
  }
});

function show(part) {
  for (const button of part.querySelectorAll("[data-copy-table]")) button.hidden = false;
}
show(document);
document.addEventListener("htmx:load", (event) => show(event.detail.elt));
