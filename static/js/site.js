// What every page adds where there is JavaScript. Each page works without it.

import { cookie, setCookie } from "./cookies.js";
import "./palette.js";
import "./completion.js";
import "./shortcuts.js";
import "./refresh.js";

// The server shows times in the reader's own zone; only the browser knows which that is.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && cookie("time_zone") !== zone) {
  setCookie("time_zone", zone);
  // Not in a loop: a browser that keeps no cookies is left with the site's zone.
  if (cookie("time_zone") === zone && document.querySelector("main time")) location.reload();
}

const UNITS = [["year", 31536000], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

// A page left open does not go on saying "2 minutes ago".
function tellTimes() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const seconds = (Date.now() - Date.parse(element.dateTime)) / 1000;
    if (!(seconds >= 0)) continue;
    const unit = UNITS.find(([, size]) => seconds >= size);
    element.textContent = unit ? relative.format(-Math.floor(seconds / unit[1]), unit[0]) : "just now";
  }
}
setInterval(tellTimes, 60_000);

// The theme changes without a page load; the form does the same without JavaScript.
document.querySelector("[data-appearance]")?.addEventListener("submit", (event) => {
  const theme = event.submitter?.value;
  if (theme === undefined) return;
  event.preventDefault();
  setCookie("theme", theme);
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  document.querySelector('meta[name="color-scheme"]').content = theme || "light dark";
  for (const button of event.target.querySelectorAll("button")) button.ariaPressed = String(button === event.submitter);
});

// A menu closes by Escape and by a click elsewhere.
const menus = () => document.querySelectorAll("[data-menu][open]");
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
});

// A page that could not be had counts down and tries again, while somebody looks at it.
const again = document.querySelector("[data-again-in]");
if (again) {
  let left = Number(again.dataset.againIn);
  setInterval(() => {
    left -= 1;
    if (left > 0) again.textContent = `${left} s`;
    else if (!document.hidden) location.reload();
  }, 1000);
}

// A form that waits for Omni says so, and is not sent twice.
for (const form of document.querySelectorAll("form[data-busy]")) {
  form.addEventListener("submit", (event) => {
    const button = form.querySelector("button");
    if (button.ariaDisabled === "true") return event.preventDefault();
    button.ariaDisabled = "true";
    button.textContent = form.dataset.busy;
  });
}
// Coming back to such a page with the browser's Back button: it may be sent again.
addEventListener("pageshow", (event) => {
  if (event.persisted && document.querySelector("form[data-busy]")) location.reload();
});
