// Copying links and ids. A link stays a link without JavaScript.

import { say } from "./say.js";

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    // Without https or permission there is no clipboard: show it, to be copied by hand.
    say(text);
  }
}

// Both forms at once: trackers take Markdown, editors what it looks like.
async function copyForTicket(address) {
  const answer = fetch(address).then((reply) => {
    if (!reply.ok || !reply.headers.get("Content-Type").startsWith("application/json")) throw new Error(reply.status);
    return reply.json();
  });
  const form = (name, type) => answer.then((said) => new Blob([said[name]], { type }));
  try {
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": form("text", "text/plain"), "text/html": form("html", "text/html") })]);
    say("Copied: paste it into the ticket");
  } catch {
    say("Could not copy. Reload the page and try again, or export as Markdown.");
  }
}

// The public address of the site, where it has one, stands once for all messages.
function addressOf(link) {
  const site = link.closest("[data-public-url]")?.dataset.publicUrl;
  return site ? site + link.getAttribute("href") : new URL(link.dataset.copyLink || link.href, location.href).href;
}

// Messages come and change while the page is open: the page listens, not each button.
function show(part) {
  for (const button of part.querySelectorAll("[data-copy], [data-for-ticket]")) button.hidden = false;
}
show(document);
document.addEventListener("htmx:load", (event) => show(event.detail.elt));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  // Without a value, it stands before the button.
  if (button) copy(button.dataset.copy || button.previousElementSibling.textContent, "Id");
  const forTicket = event.target.closest("[data-for-ticket]");
  if (forTicket) copyForTicket(forTicket.dataset.forTicket || `${forTicket.closest("article").querySelector(".message-link").href}for-ticket.json`);
  const link = event.target.closest("[data-copy-link], .message-link");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  copy(addressOf(link), "Link");
});
