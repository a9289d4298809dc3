"""The README's pictures: the list, a thread with its evidence, and the insights of the demo, light and dark.

`python -m tests.pictures` runs a demo of its own, in a copy of the project, and writes `.readme/*.png`; beside them it
writes of which tags and classes the templates were made, so that a test notices when the pages have changed since.
"""

import hashlib
import itertools
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from tests.demo_process import ROOT, copy_project, read_until, running, site_of
from tests.screenshots import EXAMPLE, continue_as

FOLDER: Final = ROOT / ".readme"
SKELETONS: Final = FOLDER / "skeletons.json"
WIDTH: Final = 1280
_HEIGHT = 800
SCHEMES: Final = ("light", "dark")
# Each picture's name, with the person who looks at it, and the page.
PICTURES: Final = {
    "list": ("lead", "/conversations/"),
    "thread": ("analyst", f"/conversations/{EXAMPLE}/messages/2/"),
    "insights": ("lead", "/insights/"),
}
# Templates of which these pages are made.
_TEMPLATES = ("base.html", "_*.html", *(f"conversations/{room}/**/*.html" for room in ("list", "thread", "evidence")))
_TEMPLATES += ("conversations/insights/**/*.html", "conversations/shared/**/*.html")
_LOGIC = re.compile(r"\{#.*?#\}|\{%\s*comment.*?endcomment\s*%\}|\{[{%].*?[%}]\}", re.DOTALL)
_TAG = re.compile(r"<(/?[a-z][a-z0-9-]*)\b([^>]*)>")
_CLASS = re.compile(r'\bclass="([^"]*)"')


def skeleton(template: str) -> list[str]:
    """Return a template's tags with all of their possible classes, in turn: no words, no other attributes."""
    tags = _TAG.findall(_LOGIC.sub(" ", template))
    return [
        " ".join([tag, *sorted({name for found in _CLASS.findall(rest) for name in found.split()})])
        for tag, rest in tags
    ]


def skeletons() -> dict[str, str]:
    """Return a digest of the skeleton of each template, by path."""
    root = ROOT / "templates"
    paths = sorted({path for pattern in _TEMPLATES for path in root.glob(pattern)})
    return {
        str(path.relative_to(root)): hashlib.sha256("\n".join(skeleton(path.read_text())).encode()).hexdigest()[:16]
        for path in paths
    }


def path_of(name: str, scheme: str) -> Path:
    return FOLDER / f"{name}-{scheme}.png"


def take(browser: Browser, site: str) -> None:
    for (name, (who, address)), scheme in itertools.product(PICTURES.items(), SCHEMES):
        with browser.new_context(color_scheme=scheme, viewport={"width": WIDTH, "height": _HEIGHT}) as context:  # type: ignore[arg-type]
            page = context.new_page()
            continue_as(page, site, who)
            page.goto(site + address)
            if name == "thread":
                _open_evidence(page)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=path_of(name, scheme))


def _open_evidence(page: Page) -> None:
    """Open the evidence of the second message, if the page has not, and show that message from its top."""
    message = page.locator("#message-2")
    closed = message.locator("details:not([open]) > summary")
    if not message.locator("img, svg, table").count() and closed.count():
        closed.last.click()
    page.wait_for_load_state("networkidle")
    message.evaluate("message => message.scrollIntoView({ block: 'start', behavior: 'instant' })")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running(copy_project(Path(folder) / "omniviewer")) as (demo, said):
        if "The archive is filled" not in said:
            read_until(demo, "The archive is filled")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
            )
            take(browser, site_of(said))
            browser.close()
    SKELETONS.write_text(json.dumps(skeletons(), indent=1) + "\n")


if __name__ == "__main__":
    main()
