// Shows a part of the page in a dialog as wide as the window, and puts it back into its place afterwards.

function makeDialog() {
  const made = Object.assign(document.createElement("dialog"), { className: "wide" });
  const head = Object.assign(document.createElement("form"), { className: "wide-head", method: "dialog" });
  const title = Object.assign(document.createElement("h2"), { id: "wide-title", dir: "auto" });
  const close = Object.assign(document.createElement("button"), { className: "button button-small", textContent: "Close" });
  head.append(title, close);
  made.append(head, Object.assign(document.createElement("div"), { className: "wide-body" }));
  made.setAttribute("aria-labelledby", title.id);
  document.body.append(made);
  return made;
}

// `className` gives the part the look that it has in its place.
export function widen(part, title, className = "") {
  const dialog = document.querySelector("dialog.wide") ?? makeDialog();
  const [heading, body] = [dialog.querySelector("h2"), dialog.querySelector(".wide-body")];
  const place = document.createComment("");
  const back = document.activeElement;
  heading.textContent = title;
  body.className = `wide-body ${className}`;
  part.replaceWith(place);
  body.append(part);
  // Sorted or filtered meanwhile, the part is another.
  dialog.addEventListener("close", () => {
    place.replaceWith(...body.childNodes);
    if (back.isConnected) back.focus();
  }, { once: true });
  dialog.showModal();
}
