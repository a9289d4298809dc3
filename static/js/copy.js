// Copying links and ids. A link stays a link without JavaScript.

const said = document.createElement("p");
said.className = "copied";
said.setAttribute("role", "status");
said.hidden = true;
document.body.append(said);
let fading;

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = `${what} copied`;
  } catch {
    // Without https or permission there is no clipboard: show it, to be copied by hand.
    said.textContent = text;
  }
  said.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { said.hidden = true; }, 4000);
}

// Messages come and change while the page is open: the page listens, not each button.
function show(part) {
  for (const button of part.querySelectorAll("[data-copy]")) button.hidden = false;
}
show(document);
document.addEventListener("htmx:load", (event) => show(event.detail.elt));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button.dataset.copy, "Id");
  const link = event.target.closest("[data-copy-link]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  copy(new URL(link.dataset.copyLink || link.href, location.href).href, "Link");
});
