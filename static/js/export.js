// An export that was just begun is downloaded as soon as it is ready, once.

const KEY = "export begun";

function download() {
  const link = document.querySelector("#export a[download]");
  if (!link || sessionStorage.getItem(KEY) !== location.pathname) return;
  sessionStorage.removeItem(KEY);
  link.click();
}

// It leads here from the form that begins it, and from nowhere else.
if (sessionStorage.getItem(KEY) === "next") sessionStorage.setItem(KEY, location.pathname);
download();
document.addEventListener("htmx:afterSettle", download);
