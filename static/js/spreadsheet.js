// Cells on their way to a spreadsheet: as text and as HTML. The rule for formulas is that of `omniviewer/spreadsheet.py`.

const BEGINNING = /(?:^|(?<=[;\r\n]))"*(?=[=+@\-\t\r\n\uff1d\uff0b\uff0d\uff20])/g;
const HARMLESS = /[-+](?:[ $€£¥₹₩₪₽₺₫₴₱₦฿]{0,3}\d[\d.,' \u00a0\u2009\u202f]{0,40}(?:(?<=\d)[eE][-+]?\d{1,3})?[ ]?[%kKMBT$€£¥₹₩₪₽₺₫₴₱₦฿]?)?(?=[";\r\n]|$)/y;
const BULLET = /[-+] [^(|!=;\r\n]*(?=[;\r\n]|$)/y;

function fits(expression, text, place) {
  expression.lastIndex = place;
  return expression.test(text);
}

export function defused(text) {
  return text.replace(BEGINNING, (found, place) => {
    const end = place + found.length;
    const isHarmless = fits(HARMLESS, text, end) || (text[place - 1] === "\n" && fits(BULLET, text, end));
    return isHarmless ? found : `${found}'`;
  });
}

// A spreadsheet would make a date or a number of it: of a code with zeros in front, of an id of many figures. Behind an
// apostrophe it does not.
function isText(text, isNumber) {
  if (text.startsWith("'")) return false;
  return isNumber ? /^0\d/.test(text) || text.replace(/\D/g, "").length > 15 : /\d/.test(text) || /^(?:true|false)$/i.test(text);
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

// A number format says so to Excel, an attribute of its own to LibreOffice, the value to Google Sheets. As a string: no
// element of the page may have a style.
function cell(name, { text, isNumber }) {
  const as = name === "td" && isText(text, isNumber)
    ? ` style="mso-number-format:'\\@'" sdnum="1033;0;@" data-sheets-value="${escaped(JSON.stringify({ 1: 2, 2: text }))}" data-sheets-numberformat="${escaped('{"1":1,"2":"@"}')}"`
    : "";
  return `<${name}${as}>${escaped(text)}</${name}>`;
}

// Rows of `{ text, isNumber }`, the first of them the head.
export function asHtml(rows) {
  const lines = rows.map((row, number) => `<tr>${row.map((one) => cell(number ? "td" : "th", one)).join("")}</tr>`);
  return `<google-sheets-html-origin><table data-sheets-root="1"><tbody>${lines.join("")}</tbody></table></google-sheets-html-origin>`;
}

export function asPlain(rows) {
  const quoted = (text) => (/[\t\r\n"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((row) => row.map(({ text }) => quoted(text)).join("\t")).join("\n");
}

// A file by the rule of `omniviewer/spreadsheet.py`: in quotes unless no program could read more into a cell.
function quoted(cell) {
  const text = defused(cell);
  return /^[\p{L}\p{N}_. ]*$/u.test(text) ? text : `"${text.replaceAll('"', '""')}"`;
}

export function asCsv(rows) {
  return `\ufeff${rows.map((row) => `${row.map(({ text }) => quoted(text)).join(",") || '""'}\r\n`).join("")}`;
}
