"""Measure what a reader waits for in Chromium, by hand: `python -m tests.benchmark_browser`.

Median times of the first contentful paint of a stored thread of 400 messages, plain and opened at message 333; the
files that it loads; and, with the processor slowed down four times, the first paint of 1,000 messages and the longest
task while scrolling through them. The site runs in this process, Chromium beside it; static files are collected, with
hashed names, as in production.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test.testcases import LiveServerThread  # noqa: E402
from django.test.utils import override_settings  # noqa: E402
from playwright.sync_api import Page, sync_playwright  # noqa: E402

from tests.benchmark_pages import stored_thread  # noqa: E402
from tests.programs import need  # noqa: E402

ROUNDS = 9
_PAINT = """() => new Promise((done) => {
  new PerformanceObserver((list, observer) => {
    const [paint] = list.getEntriesByName("first-contentful-paint");
    if (!paint) return;
    observer.disconnect();
    done(paint.startTime);
  }).observe({ type: "paint", buffered: true });
})"""
_LONGEST_TASK = """async () => {
  let longest = 0;
  const observer = new PerformanceObserver((list) => {
    for (const task of list.getEntries()) longest = Math.max(longest, task.duration);
  });
  observer.observe({ type: "longtask" });
  for (let at = 0; at < document.body.scrollHeight; at += 2000) {
    window.scrollTo(0, at);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  }
  await new Promise((done) => setTimeout(done, 500));
  observer.disconnect();
  return longest;
}"""


def main() -> None:
    call_command("migrate", verbosity=0)
    with ExitStack() as stack:
        stack.enter_context(override_settings(ALLOWED_HOSTS=["testserver", "localhost"]))
        stack.enter_context(_collected(stack.enter_context(tempfile.TemporaryDirectory())))
        server = LiveServerThread("localhost", lambda application: application)  # type: ignore[arg-type]
        server.daemon = True
        server.start()
        server.is_ready.wait()
        stack.callback(server.terminate)
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=need("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        site = f"http://localhost:{server.port}"
        for messages, measure in ((400, _paints), (1000, _slowed)):
            with stored_thread(messages) as (client, address, _):
                client.get(address)
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                session = settings.SESSION_COOKIE_NAME
                cookies = {session: client.cookies[session].value, "time_zone": "UTC"}
                context.add_cookies([{"name": name, "value": said, "url": site} for name, said in cookies.items()])
                measure(context.new_page(), f"{site}{address}")
                context.close()


def _collected(folder: str) -> override_settings:
    """Return settings under which static files are served as in production, from this folder."""
    hashed = {"BACKEND": "omniviewer.static_storage.PublicStaticFilesStorage"}
    production = override_settings(
        STATIC_ROOT=folder,
        STORAGES={**settings.STORAGES, "staticfiles": hashed},
        WHITENOISE_USE_FINDERS=False,
        WHITENOISE_AUTOREFRESH=False,
    )
    with production:
        call_command("collectstatic", interactive=False, verbosity=0)
    return production


def _paints(page: Page, address: str) -> None:
    files: list[str] = []
    page.on("request", lambda request: files.append(request.url))
    page.goto(address, wait_until="networkidle")
    _print("files that a thread loads", len([file for file in files if "/static/" in file]), "")
    _print("400 messages, first contentful paint", _median(lambda: _paint(page, address)), "ms")
    _print("at message 333", _median(lambda: _paint(page, f"{address}messages/333/")), "ms")


def _slowed(page: Page, address: str) -> None:
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    _print("1,000 messages, 4 times slowed down, first paint", _median(lambda: _paint(page, address), 3), "ms")
    _print("longest task while scrolling through them", page.evaluate(_LONGEST_TASK), "ms")


def _paint(page: Page, address: str) -> float:
    page.goto(address)
    return float(page.evaluate(_PAINT))


def _median(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    measure()
    return statistics.median(measure() for _ in range(rounds))


def _print(what: str, figure: float, unit: str) -> None:
    sys.stdout.write(f"{what}: {figure:.0f} {unit}\n")


if __name__ == "__main__":
    main()
