// Messages that were not drawn before get their real height only then, which moves the others: look again.
export function hold(look) {
  look();
  requestAnimationFrame(() => requestAnimationFrame(look));
}
