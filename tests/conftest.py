"""The cast, the stand-in Omni, and the browser.

The cast stays the same everywhere: an *owner* with a personal token, a *colleague* with an organization key of the same
organization, and a *stranger* with a personal token of somebody else's. Addresses are written out: they are public.
"""

import gc
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django import DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from conversations.archive import credentials
from conversations.models import Access
from omniviewer.accounts import announcements
from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Organization, StandIn, sample_organization
from omniviewer.demo.stand_in.organization import Member
from omniviewer.omni import Token
from tests import as_new, watching
from tests.marks import mark_by_use
from tests.programs import need

NOW = datetime(2026, 10, 12, 9, 30, tzinfo=UTC)
PASSWORD = "correct horse battery"
EXAMPLE = "660e8400-e29b-41d4-a716-446655440001"


@pytest.fixture(autouse=True)
def finished_threads_are_as_new() -> Iterator[None]:
    """Fail any test in which a page showed a stored rendering that is no longer right."""
    yield
    differing, as_new.differing[:] = list(as_new.differing), []
    assert differing == []


@pytest.fixture(autouse=True)
def nothing_is_announced() -> Iterator[None]:
    """Have no test see the announcements of another, which a process goes on showing for seconds."""
    # Nor be read while a test counts statements.
    announcements._Stored.rows, announcements._Stored.until = (), math.inf
    yield
    announcements._Stored.rows, announcements._Stored.until = (), math.inf


@pytest.fixture(autouse=True)
def no_token_leaves() -> Iterator[None]:
    """Fail any test in which an API token leaks."""
    yield
    leaked, watching.found[:] = list(watching.found), []
    assert leaked == []


def pytest_configure() -> None:
    """Watch what is sent, from the beginning; benchmarks, which use this module too, are not slowed down by that."""
    watching.begin()
    as_new.begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["searched"] = dict(watching.searched)


# Files that take longest, longest first: the next free process takes the next file, so all end at nearly the same time.
# Load comes first and siege far from it, because both measure how long readers wait.
_LONG = [
    *("test_load", "test_hostile", "test_postgresql", "test_sync", "test_faults", "test_any_reply", "test_siege"),
    *("test_browser", "test_matrix", "test_capture", "test_access_model", "test_demo", "test_oidc", "test_house"),
    *("test_bounds", "test_evidence", "test_print", "test_fresh", "test_insights", "test_search", "test_list"),
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function):
            mark_by_use(item)
    items.sort(key=lambda item: _LONG.index(item.path.stem) if item.path.stem in _LONG else len(_LONG))


def pytest_collection_finish() -> None:
    """Have the garbage collector skip what stays anyhow, and run less often: about a tenth of the time goes to it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    watching.searched.update(getattr(node, "workeroutput", {}).get("searched", {}))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how much was searched for tokens."""
    counts = ", ".join(f"{count:,} {what}" for what, count in watching.searched.items())
    terminalreporter.write_line(f"searched for tokens: {counts}")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """End sessions that a test's threads left open on PostgreSQL, which drops no database while one is in use."""
    yield
    if connections["default"].vendor == "postgresql":
        with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture
def dialect() -> str:
    """Return Omni's dialect: the reference's, or each of both if a test is marked `both_dialects`."""
    return "reference"


# For single tests in a file marked `both_dialects` that parse no reply.
one_dialect = pytest.mark.parametrize("dialect", ["reference"])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of how replies are parsed in both of Omni's dialects."""
    marks = metafunc.definition.iter_markers("parametrize")
    is_chosen = any(mark.args[0] == "dialect" for mark in marks)
    is_both = metafunc.definition.get_closest_marker("both_dialects") and not is_chosen
    if is_both and "dialect" in metafunc.fixturenames:
        metafunc.parametrize("dialect", ["reference", "sdk"])


@pytest.fixture(scope="session")
def sample() -> Organization:
    """Return the demo's data. Shared: a test that changes an organization creates its own."""
    organization = sample_organization(NOW)
    organization.hold()
    return organization


@pytest.fixture
def omni(sample: Organization, dialect: str) -> Iterator[StandIn]:
    with StandIn(sample, dialect=dialect, rate_per_minute=10_000, now=NOW) as stand_in:
        yield stand_in


@pytest.fixture
def small() -> Organization:
    """Return an empty organization, for a test to fill."""
    return Organization("small-org")


@pytest.fixture
def small_omni(small: Organization, dialect: str) -> Iterator[StandIn]:
    with StandIn(small, dialect=dialect, rate_per_minute=10_000) as stand_in:
        yield stand_in


@contextmanager
def taken_back() -> Iterator[None]:
    """Roll back what the block stores."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def person(username: str) -> User:
    return User.objects.create_user(username, password=PASSWORD)


def credential_for(owner: User, omni: StandIn, token: str, label: str = "Omni") -> Credential:
    """Create the credential that the connecting page would create, without the page."""
    identity = credentials.identify(omni.host, Token(token))
    credential = Credential.objects.connect(owner, label, omni.host, Token(token), identity)
    omni.requests.clear()
    return credential


def shown_ago(age: timedelta) -> None:
    """Set the time of everything that Omni showed, by list or thread, to this long ago."""
    moment = timezone.now() - age
    Access.objects.exclude(confirmed_at=None).update(confirmed_at=moment)
    Access.objects.exclude(listed_at=None).update(listed_at=moment)
    Access.objects.update(shown_at=moment)


_TEXT_BLOCKS = "p|li|dd|dt|td|th|h[1-6]|summary|option|button|caption|legend|title"
_EDGES = re.compile(rf"(<(?:{_TEXT_BLOCKS})\b[^>]*>) | (</(?:{_TEXT_BLOCKS})>)")


def whole(answer: Any) -> bytes:
    """Return a page's content, which comes in pieces where a long thread is read for the first time."""
    return b"".join(answer) if getattr(answer, "streaming", False) else answer.content


def text_of(answer: Any) -> str:
    """Return a page's HTML with white space as a browser shows it, and without its forms' CSRF tokens.

    Runs are collapsed to single spaces; at the edges of paragraphs, items, cells and the like, and at the end of a tag,
    there are none.
    """
    page = re.sub(r"\s+", " ", whole(answer).decode()).replace(" >", ">")
    page = _EDGES.sub(r"\1\2", page)
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", page)


def member_behind(omni: StandIn, who: str) -> Member:
    """Return the owner of one of the demo's personal tokens: "analyst" or "support"."""
    member = omni.organization.owner_of(omni.organization.demo_tokens[who])
    assert member
    return member


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner(db: None) -> User:
    return person("owner")


@pytest.fixture
def colleague(db: None) -> User:
    return person("colleague")


@pytest.fixture
def stranger(db: None) -> User:
    return person("stranger")


@pytest.fixture
def owner_reads(owner: User, omni: StandIn) -> Client:
    """Return the owner's client, connected to Omni with a personal token."""
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    return signed_in(owner)


@pytest.fixture
def colleague_reads(colleague: User, omni: StandIn) -> Client:
    """Return the colleague's client, connected with an organization key."""
    credential_for(colleague, omni, omni.organization.demo_tokens["lead"])
    return signed_in(colleague)


@pytest.fixture
def stranger_reads(stranger: User, omni: StandIn) -> Client:
    """Return the stranger's client, connected with another person's personal token."""
    credential_for(stranger, omni, omni.organization.demo_tokens["support"])
    return signed_in(stranger)


@pytest.fixture
def analyst(small: Organization) -> Member:
    return small.add_member("Ann Analyst", "ann@small.example")


@pytest.fixture
def ben(small: Organization) -> Member:
    return small.add_member("Ben Buyer", "ben@small.example")


@pytest.fixture
def reads(owner: User, small: Organization, small_omni: StandIn, analyst: Member) -> Client:
    """Return the owner's client, connected with the personal token of the person who asked."""
    credential_for(owner, small_omni, small.personal_token(analyst))
    return signed_in(owner)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, small_omni: StandIn) -> Callable[[timedelta], None]:
    """Return a function that sets the site's clock and the stand-in's ahead of now."""
    began = datetime.now(UTC)

    def ahead(by: timedelta) -> None:
        monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + by)
        small_omni._now = began + by

    return ahead


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = need("Chromium", "chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with chromium.new_context(timezone_id="Europe/Berlin", locale="en-GB") as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Yield a page on which a console error, an uncaught exception or a request to another host fails the test."""
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda asked: wrong.append(asked.url) if not re.match(r"http://(localhost|127)", asked.url) else None
    )
    yield page
    # The browser itself logs each 4xx reply; the tests request those pages on purpose.
    assert [line for line in wrong if not re.search(r"the server responded with a status of 4", line)] == []


@pytest.fixture
def site(live_server: LiveServer) -> str:
    return str(live_server.url)


def sign_in(page: Page, site: str, username: str = "owner", at: str = "/conversations/") -> None:
    """Open a page in the browser as this user, with a session as signing in makes it."""
    client = signed_in(User.objects.get(username=username))
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": site}])
    page.goto(site + at)
    page.wait_for_load_state()


def sign_in_by_form(page: Page, site: str, username: str = "owner", at: str = "/conversations/") -> None:
    """Open a page in the browser, be sent to the sign-in page, and sign in there."""
    page.goto(site + at)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    # Wait for the scripts: without them, the browser would follow a link that copies.
    page.wait_for_load_state()


def clipboard(page: Page) -> tuple[str, str]:
    """Return the clipboard's content, as text and as HTML."""
    plain, html = page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            const read = async (type) => (await item.getType(type)).text();
            return [await read("text/plain"), await read("text/html")];
        }"""
    )
    return plain, html


def pasted(page: Page) -> tuple[str, list[list[str]]]:
    """Paste by keyboard, and return the text in a text area and the table cells in an editable document."""
    page.evaluate(
        """() => {
            const area = Object.assign(document.createElement("textarea"), { id: "paste-text" });
            const editor = Object.assign(document.createElement("div"), { id: "paste-rich", contentEditable: "true" });
            document.body.prepend(area, editor);
        }"""
    )
    for target in ("#paste-text", "#paste-rich"):
        page.locator(target).focus()
        page.keyboard.press("Control+V")
    cells = page.locator("#paste-rich tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    return page.locator("#paste-text").input_value(), cells


def assert_accessible(page: Page, name: str) -> None:
    """Assert that axe finds no serious fault, and that nothing overflows sideways."""
    found = Axe().run(page)
    serious = [rule for rule in found.response["violations"] if rule["impact"] != "minor"]
    assert not serious, f"{name}: {found.generate_report()}"
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
