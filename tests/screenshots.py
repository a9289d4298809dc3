"""Pictures of the demo's pages, to be looked at; `tests.pictures` takes those of the README.

`python -m tests.screenshots http://127.0.0.1:8000 FOLDER` against a running `manage.py demo`.
"""

import argparse
import itertools
import re
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

EXAMPLE = "660e8400-e29b-41d4-a716-446655440001"
PAGES = {
    "list": ("analyst", "/conversations/"),
    "list-lead": ("lead", "/conversations/"),
    "thread": ("analyst", f"/conversations/{EXAMPLE}/"),
    "ticket": ("analyst", f"/conversations/{EXAMPLE}/?ticket=ABC-123"),
    "search": ("lead", "/conversations/?q=revenue+month"),
    "hit": ("lead", f"/conversations/{EXAMPLE}/messages/2/?q=revenue"),
    "insights": ("lead", "/insights/?period=all"),
    "linked": ("analyst", "/conversations/?ticket=ABC-123"),
    "message": ("analyst", f"/conversations/{EXAMPLE}/messages/2/"),
    "evidence": ("analyst", f"/conversations/{EXAMPLE}/messages/2/evidence/"),
    "bundle": ("analyst", f"/conversations/{EXAMPLE}/bundle/"),
    "print": ("analyst", f"/conversations/{EXAMPLE}/print/"),
    "connect": ("support", "/credentials/connect/"),
    "credentials": ("analyst", "/credentials/"),
    "no-credential": ("support", "/conversations/"),
    "not-shown": ("analyst", "/conversations/00000000-0000-4000-8000-000000000000/"),
    "remove": ("analyst", "/credentials/1/remove/"),
    "activity": ("analyst", "/activity/"),
}


def continue_as(page: Page, site: str, who: str) -> None:
    page.goto(f"{site}/sign-in/")
    page.locator(f'button[value="{who}"]').click()
    page.wait_for_url(re.compile(r"/conversations/"))


def take(browser: Browser, site: str, folder: Path) -> None:
    for scheme, width in itertools.product(("light", "dark"), (1280, 390)):
        for who in ("analyst", "lead", "support"):
            with browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:  # type: ignore[arg-type]
                page = context.new_page()
                page.goto(f"{site}/sign-in/")
                page.screenshot(path=folder / f"sign-in-{width}-{scheme}.png")
                continue_as(page, site, who)
                for name, (whose, address) in PAGES.items():
                    if whose == who:
                        page.goto(site + address)
                        page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("screenshots"))
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        options.folder.mkdir(parents=True, exist_ok=True)
        take(browser, options.site, options.folder)


if __name__ == "__main__":
    main()
