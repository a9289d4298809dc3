// A page that was sent from the archive asks for what is newer, and takes it in without moving what is being read.

const MOST_FAILURES = 5;
const AFTER_FAILURE = 30; // seconds
let failures = 0;
// When the thread of a running answer asks again, in milliseconds; undefined if it does not.
let nextLookAt;

// How soon, the server says. Not while nobody looks: then as soon as somebody does.
function follow(element) {
  const seconds = Number(element.dataset.freshIn);
  setTimeout(() => {
    if (!document.hidden) return htmx.trigger(element, "fresh");
    document.addEventListener("visibilitychange", () => htmx.trigger(element, "fresh"), { once: true });
  }, 1000 * seconds);
  if (element.id !== "freshness") return;
  nextLookAt = Date.now() + 1000 * seconds;
  tellNextLook();
}

function tellNextLook() {
  const place = document.querySelector("[data-next-look]");
  if (!place) return;
  if (nextLookAt === undefined) return place.replaceChildren();
  const seconds = Math.ceil((nextLookAt - Date.now()) / 1000);
  place.textContent = seconds > 0 ? `Next check in ${seconds} s` : "Checking now…";
}
setInterval(tellNextLook, 1000);

document.addEventListener("htmx:load", ({ detail }) => {
  const element = detail.elt;
  if (element.id === "freshness") nextLookAt = undefined;
  for (const found of element.querySelectorAll("[data-fresh-in]")) follow(found);
  if (element.matches("[data-fresh-in]")) follow(element);
});

// This site itself did not answer: what is shown stays, and it is asked again a few times.
for (const failed of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
  document.addEventListener(failed, ({ detail }) => {
    const element = detail.elt;
    if (!element.matches("[data-fresh-in]") || ++failures > MOST_FAILURES) return;
    element.dataset.freshIn = AFTER_FAILURE * failures;
    follow(element);
  });
}

// A list that asks at once is still arriving: what its first answer brings is no news to anybody.
let isArriving = Number(document.getElementById("list-freshness")?.dataset.freshIn ?? 1) === 0;
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.elt.id === "list-freshness") isArriving = false;
});

// What asks for the lines under the answers goes on as it is: were it replaced while it asks, its answer would find
// nothing of the page any more.
document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  if (detail.target.id === "capturing" && detail.target.hasAttribute("hx-get")) detail.shouldSwap = false;
  if (detail.target.id === "list-news" && isArriving) detail.shouldSwap = false;
});

// What is being read: the first thing below the header, and how far down the window it stands.
let anchor;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  anchor = undefined;
  if (detail.target.matches("[data-facets]")) return;
  const top = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop) || 0;
  const first = [...document.querySelectorAll(".message, .row")].find((one) => one.getBoundingClientRect().bottom > top);
  anchor = first && scrollY > 0 ? { id: first.id, top: first.getBoundingClientRect().top } : undefined;
  document.documentElement.classList.add("is-swapping");
});
document.addEventListener("htmx:afterSettle", () => {
  const here = anchor && document.getElementById(anchor.id);
  const moved = here ? here.getBoundingClientRect().top - anchor.top : 0;
  if (Math.abs(moved) > 1) scrollBy({ top: moved, behavior: "instant" });
  document.documentElement.classList.remove("is-swapping");
  failures = 0;
});

// What is new is said once, and then gets out of the way.
const fading = new Map();
const fade = new MutationObserver((changes) => {
  for (const { target: news } of changes) {
    clearTimeout(fading.get(news));
    if (news.textContent) fading.set(news, setTimeout(() => news.replaceChildren(), 15_000));
  }
});
function watch(part) {
  for (const news of part.querySelectorAll(".news")) {
    news.addEventListener("click", () => news.replaceChildren());
    fade.observe(news, { childList: true });
  }
}
watch(document);
document.addEventListener("htmx:load", ({ detail }) => watch(detail.elt));
