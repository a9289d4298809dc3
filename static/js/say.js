// Says in passing that something was done, to the eye and to screen readers.

// Several scripts of a page may hold this module: they share the one line.
const said = document.querySelector(".copied") ?? document.createElement("p");
said.className = "copied";
said.setAttribute("role", "status");
said.hidden = true;
document.body.append(said);
let fading;

export function say(text) {
  said.textContent = text;
  said.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { said.hidden = true; }, 4000);
}
