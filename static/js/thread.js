// Keeps a linked message in view.

// Messages above the linked one get their real height only when they are drawn, which moves it: look again.
const focused = document.querySelector(".message.is-focused");
if (focused) {
  focused.focus({ preventScroll: true });
  const look = () => focused.scrollIntoView({ block: "start", behavior: "instant" });
  look();
  requestAnimationFrame(() => requestAnimationFrame(look));
  addEventListener("load", look, { once: true });
}
