// Says in passing that something was done, to the eye and to screen readers.

const said = document.createElement("p");
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
