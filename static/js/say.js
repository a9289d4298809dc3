// Says in passing that something was done, to the eye and to screen readers.

// Several scripts of a page may hold this module: they share the one line.
const said = document.querySelector(".copied") ?? document.createElement("p");
said.className = "copied";
said.setAttribute("role", "status");
said.hidden = true;
document.body.append(said);
let fading;
// It stands at the edge of the window that is farther from what was used last.
let used;
document.addEventListener("click", ({ target }) => { used = target; }, { capture: true });

// With `undo`, a button beside the text undoes it for as long as the text stands.
export function say(text, undo) {
  said.replaceChildren(text);
  if (undo) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copied-undo", textContent: "Undo" });
    button.dataset.key = "z";
    button.addEventListener("click", () => {
      said.hidden = true;
      undo();
    });
    said.append(" ", button);
  }
  const place = used?.isConnected ? used.getBoundingClientRect() : undefined;
  said.classList.toggle("is-high", Boolean(place?.height) && place.top > innerHeight / 2 && place.top < innerHeight);
  said.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { said.hidden = true; }, undo ? 10_000 : 4000);
}
