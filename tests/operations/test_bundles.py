"""Scripts and stylesheets are served with all that they import in them, so that a page loads few files."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from playwright.sync_api import Page, expect
from pytest_django import Settings

from omniviewer.accounts.models import User
from omniviewer.bundles import BundleFinder, bundle
from omniviewer.demo.stand_in import StandIn
from tests.conftest import EXAMPLE, credential_for, sign_in
from tests.operations.test_house import TEMPLATES

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
SOURCES = sorted(path for path in STATIC.rglob("*") if path.suffix in (".css", ".js"))
MOST_FILES = 8
# Modules that may stand in two scripts of one page: each copy does the same, and none holds a state of its own.
WITHOUT_STATE = {"cookies.js", "say.js", "scrolling.js"}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes files and returns the path of the last."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / re.sub("_(css|js)$", r".\1", name)
            path.write_text(text)
        return path

    return write


def test_it_works(page: Page, write: Write) -> None:
    entry = write(
        count_js="let count = 0;\nexport const STEP = 2;\nexport function add(by) { count += by; return count; }\n",
        more_js='import { add, STEP as step } from "./count.js";\nexport async function two() { return add(step); }\n',
        alone_js="const add = document;\nadd.title = 'alone';\n",
        page_js='import { add } from "./count.js";\nimport "./alone.js";\nimport { two } from "./more.js";\n'
        "document.title += ` ${add(1)} `;\ntwo().then((count) => { document.title += count; });\n",
    )
    text = bundle(entry)
    assert text
    assert not re.search(r"^\s*(import|export)\b", text, re.M)
    page.set_content("<title></title>")
    page.add_script_tag(content=text, type="module")
    expect(page).to_have_title("alone 13")


def test_each_stylesheet_stands_before_what_imports_it_and_once(write: Write) -> None:
    entry = write(
        a_css=":root {\n}\n",
        b_css='@import "a.css";\nb {\n}\n',
        page_css='/* All. */\n@import "a.css";\n@import "b.css";\np {\n}\n',
    )
    assert re.findall(r"^\S+ \{", bundle(entry) or "", re.M) == [":root {", "b {", "p {"]


def test_a_file_that_imports_nothing_stays_as_it_is(write: Write) -> None:
    assert bundle(write(a_js="export function a() {}\n")) is None
    assert bundle(write(a_css="a {\n}\n")) is None


@pytest.mark.parametrize(
    "line",
    [
        'import all from "./b.js";',
        'import * as all from "./b.js";',
        'import "./b.js"',
        'import "/static/js/b.js";',
        'import { b } from "https://elsewhere.example/b.js";',
        "export default function () {}",
        "export { b };",
        "export let b;",
        'export * from "./b.js";',
    ],
)
def test_other_forms_of_import_and_export_are_refused(write: Write, line: str) -> None:
    entry = write(b_js="export const b = 1;\n", page_js=f'import {{ b }} from "./b.js";\n{line}\n')
    with pytest.raises(ImproperlyConfigured, match="no form of import or export"):
        bundle(entry)


def test_modules_that_import_each_other_are_refused(write: Write) -> None:
    entry = write(a_js='import "./b.js";\n', b_js='import "./c.js";\n', c_js='import "./a.js";\n')
    with pytest.raises(ImproperlyConfigured, match="import each other"):
        bundle(entry)


def test_all_sources_can_be_bundled() -> None:
    bundled = [path.name for path in SOURCES if bundle(path)]
    assert {"site.css", "site.js", "thread.css", "thread.js"} <= set(bundled)


def test_an_edited_source_is_served_at_once(settings: Settings, tmp_path: Path, write: Write) -> None:
    settings.STATICFILES_DIRS, settings.BUNDLES_DIR = [tmp_path], tmp_path / "bundles"
    finder = BundleFinder()
    write(b_js="export const b = 1;\n", page_js='import { b } from "./b.js";\ndocument.title = b;\n')
    first = Path(str(finder.find("page.js"))).read_text()
    write(b_js="export const b = 2;\n")
    assert Path(str(finder.find("page.js"))).read_text() == first.replace("b = 1", "b = 2")
    assert finder.find("b.js") == str(tmp_path / "b.js")
    assert not finder.find("nothing.js")


def test_the_same_bytes_are_found_and_collected(settings: Settings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "omniviewer.static_storage.PublicStaticFilesStorage"},
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    for source in SOURCES:
        name = source.relative_to(STATIC)
        found = Path(str(finders.find(str(name)))).read_text()
        [hashed] = tmp_path.glob(f"{name.parent}/{name.stem}.????????????{name.suffix}")
        assert (tmp_path / name).read_text() == hashed.read_text() == found
        assert not re.search(r"^(@import|import)\b", found, re.M)


def test_no_module_with_a_state_stands_in_two_scripts_of_a_page() -> None:
    for path in TEMPLATES:
        scripts = {"js/site.js", *re.findall(r"static '(js/\w+\.js)'", path.read_text())}
        modules = [re.findall(r"^// (\w+\.js)$", bundle(STATIC / name) or "", re.M) for name in sorted(scripts)]
        together = [name for names in modules for name in names]
        assert {name for name in together if together.count(name) > 1} <= WITHOUT_STATE, path


@pytest.mark.django_db(transaction=True)
def test_a_page_loads_few_files(page: Page, site: str, owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"/conversations/{EXAMPLE}/")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    evidence = f"/conversations/{EXAMPLE}/messages/2/evidence/"
    for address in ("/conversations/", f"/conversations/{EXAMPLE}/", evidence, "/insights/", "/credentials/"):
        requests.clear()
        page.goto(site + address, wait_until="networkidle")
        loaded = {url for url in requests if "/static/" in url or url == site + address}
        assert site + address in loaded
        assert 3 <= len(loaded) <= MOST_FILES, loaded
