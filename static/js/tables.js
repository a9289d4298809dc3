// Tables of answers: one that fits its frame scrolls with the page, so that its head can stay in the window.

import { whenNear } from "./near.js";

const observer = new ResizeObserver((entries) => {
  const frames = new Set(entries.map(({ target }) => (target.matches("table") ? target.parentElement : target)));
  // All are measured before any is changed: else each change would cost the next one a layout of the page.
  const measured = [...frames].map((frame) => {
    const table = frame.firstElementChild;
    const isTall = (table.tHead?.offsetHeight ?? 0) > window.innerHeight / 3;
    return [frame, table.offsetWidth <= frame.clientWidth + 1, isTall];
  });
  for (const [frame, fits, isTall] of measured) {
    frame.classList.toggle("fits", fits);
    frame.classList.toggle("has-tall-head", isTall);
  }
});

whenNear((message) => {
  for (const frame of message.querySelectorAll(".prose .table-scroll")) {
    observer.observe(frame);
    observer.observe(frame.firstElementChild);
  }
});
