// Tables of answers: one that fits its frame scrolls with the page, so that its head can stay in the window.

import { whenNear } from "./near.js";

const observer = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const frame = target.matches("table") ? target.parentElement : target;
    const table = frame.firstElementChild;
    frame.classList.toggle("fits", table.offsetWidth <= frame.clientWidth + 1);
    frame.classList.toggle("has-tall-head", (table.tHead?.offsetHeight ?? 0) > window.innerHeight / 3);
  }
});

whenNear((message) => {
  for (const frame of message.querySelectorAll(".prose .table-scroll")) {
    observer.observe(frame);
    observer.observe(frame.firstElementChild);
  }
});
