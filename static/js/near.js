// Work on a message waits until it comes near the window: a long thread has a thousand, most of which nobody sees.

const works = [];
const done = new WeakSet();

function equip(message) {
  if (done.has(message)) return;
  done.add(message);
  for (const work of works) work(message);
}

export function whenNear(work) {
  works.push(work);
}

// The browser says so of elements with `content-visibility: auto`, before it draws them.
document.addEventListener("contentvisibilityautostatechange", ({ target, skipped }) => {
  if (!skipped && target.matches(".message")) equip(target);
}, true);
// It has said nothing of those that were drawn before this script came.
queueMicrotask(() => {
  const isDrawn = (message) => message.firstElementChild?.checkVisibility({ contentVisibilityAuto: true });
  for (const message of document.querySelectorAll(".message")) if (isDrawn(message)) equip(message);
});

// Browsers that do not say so, and messages that are used before they are near.
export function equipNow(part) {
  for (const message of part.querySelectorAll(".message")) equip(message);
}
if (!("ContentVisibilityAutoStateChangeEvent" in window)) {
  addEventListener("load", () => equipNow(document));
  document.addEventListener("htmx:load", ({ detail }) => equipNow(detail.elt));
}
