// Messages that were not drawn before get their real height only then, some frames later, which moves the others: look
// again until that is over, or somebody moves the page.
const FRAMES = 12;
// What shows that somebody moves the page.
export const MOVES = ["wheel", "touchmove", "keydown", "pointerdown"];

export function hold(look) {
  let left = FRAMES;
  const stop = () => { left = 0; };
  for (const move of MOVES) addEventListener(move, stop, { passive: true, once: true, capture: true });
  const again = () => {
    if (left > 0) look();
    left -= 1;
    if (left > 0) return requestAnimationFrame(again);
    for (const move of MOVES) removeEventListener(move, stop, { capture: true });
  };
  again();
}
