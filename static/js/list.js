// Selecting several conversations: how many are ticked, and all at once.
const count = () => document.querySelectorAll(".row-select:checked").length;

function tell() {
  const selection = document.querySelector("[data-selection]");
  if (!selection) return;
  const ticked = count();
  const boxes = document.querySelectorAll(".row-select").length;
  const all = selection.querySelector("[data-select-all]");
  all.closest("label").hidden = false;
  all.checked = ticked > 0 && ticked === boxes;
  all.indeterminate = ticked > 0 && ticked < boxes;
  selection.querySelector("[data-selected-count]").textContent = ticked ? `${ticked} selected` : "";
  for (const button of selection.querySelectorAll("[data-needs-selection]")) button.disabled = !ticked;
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-select-all]")) {
    for (const box of document.querySelectorAll(".row-select")) box.checked = target.checked;
  }
  if (target.matches("[data-select-all], .row-select")) tell();
});
// What was ticked stays ticked while the list is renewed.
let kept = [];
document.addEventListener("htmx:beforeSwap", () => {
  kept = [...document.querySelectorAll(".row-select:checked")].map((box) => box.value);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const box of document.querySelectorAll(".row-select")) box.checked ||= kept.includes(box.value);
});
// So does the mark of the row that the reader came back to: a browser looks for an address's place once.
document.addEventListener("htmx:afterSettle", () => {
  if (/^#row-\d+$/.test(location.hash)) document.querySelector(location.hash)?.classList.add("is-here");
});
// The list was renewed, or shown again by the browser's Back button with what was ticked.
document.addEventListener("htmx:afterSettle", tell);
addEventListener("pageshow", tell);
tell();
