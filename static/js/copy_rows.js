// Rows onto the clipboard, as text and as the cells of a spreadsheet.

import { asHtml, asPlain, defused } from "./spreadsheet.js";
import { say } from "./say.js";

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

// Rows of `{ text, isNumber }`, the first of them the head.
export async function copyRows(cells) {
  const rows = cells.map((row) => row.map((cell) => ({ ...cell, text: defused(cell.text) })));
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
}
