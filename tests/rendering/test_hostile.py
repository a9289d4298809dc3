"""Nothing in Omni's text runs, loads or deceives: each text of the corpus in each place, in a real browser.

Once as the site is, and once without its Content-Security-Policy, which is to be the second wall and not the first.
"""

import csv
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, Route
from playwright.sync_api import Error as PlaywrightError
from pytest_django import Settings

from conversations import tasks
from conversations.archive import evidence, removal
from conversations.models import Access
from conversations.models import Job as OurJob
from conversations.search import documents
from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation, Job, Message
from tests.captured import work
from tests.conftest import credential_for, signed_in
from tests.hostile import FAMILIES, LEAK, TEXTS
from tests.pages.test_fresh import make_old

pytestmark = pytest.mark.django_db(transaction=True)

# Invisible characters and those that change the direction of text: from Unicode's own lists, not the site's.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U00016fe4\U0001bca0-\U0001bca3"
    "\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]|[\u0300-\u036f\u0483-\u0489\u20d0-\u20f0\u0e48-\u0e4b]{9}"
)
MARKER = "findme"
# Boxes of ours that hold nothing but Omni's words, and our own parts above and around them.
BOXES = ".asked, .prose, .plain, .row-title, .row-prompt, q, .action-message, #title, td, th, bdi, [dir=auto]"
FRAME = [
    ".site-header",
    ".brand",
    ".site-header nav",
    ".paste",
    ".site-header .menu",
    ".thread-bar",
    ".search",
]
OUR_CLASSES = re.compile(
    r"|hidden-character|link-host|table-scroll|code|plain|align-(left|center|right)|fits|has-tall-head|number|sort-mark|sort-as|rows-section|visually-hidden|has-tools|text-tools|copy"
    r"|[a-z][a-z0-9]{0,2}"
)
READ = """pages => pages.map(html => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const handlers = [...page.querySelectorAll("*")].filter(
        one => [...one.attributes].some(two => /^on|^style$/.test(two.name))
    );
    const active = "script:not([src^='/static/']), iframe, object, embed, base, svg, math, style, form[action*='//']";
    const ids = [...page.querySelectorAll("[id]")].map(one => one.id.replace(/[0-9]+/g, "N")).sort().join(" ");
    // A long thread has a script more, for the search in it.
    const head = page.querySelectorAll("head *:not([src*='find_early'])").length;
    return [page.title, handlers.length, page.querySelectorAll(active).length, ids, head];
})"""
PASTE = """async () => {
    const [item] = await navigator.clipboard.read();
    const read = async (type) => (await item.getType(type)).text();
    const [plain, html] = [await read("text/plain"), await read("text/html")];
    const editor = document.createElement("div");
    document.body.append(editor);
    // The one style that is copied, by which a spreadsheet knows text; this page's policy would block it.
    editor.innerHTML = html.replaceAll(` style="mso-number-format:'\\\\@'"`, "");
    await new Promise(done => setTimeout(done, 200));
    const active = "script, img, iframe, form, input, style, object, [id], [name], td[style], th[style]";
    const odd = [...editor.querySelectorAll(active)].map(one => one.outerHTML);
    return [plain, html, odd.concat(window.__ran ?? [])];
}"""
LOOK = (Path(__file__).parent / "hostile_look.js").read_text()


@pytest.fixture
def dialect() -> str:
    return "reference"


@dataclass
class Fed:
    """Conversations that hold the hostile texts: in messages (`said`), in actions (`made`), and so on.

    Where there is only one place for a text, several are put together.
    """

    said: Conversation
    roles: Conversation
    failed: Conversation
    running: Conversation
    made: Conversation
    drawn: Conversation


def bundled(texts: tuple[str, ...], most: int) -> Iterator[str]:
    """Yield texts joined together, as many as fit into `most` characters."""
    held = ""
    for text in texts:
        if held and len(held) + 1 + len(text) > most:
            yield held
            held = ""
        held = f"{held} {text}".strip()
    yield held


def feed(small: Organization, texts: tuple[str, ...], listed: int = len(TEXTS)) -> Fed:
    """Add a conversation for each of the first texts, with an owner so named, and all texts in every other place."""
    # Yesterday at noon, so that no day begins between the first feed and the second.
    at = datetime.now(UTC).replace(hour=12, minute=0) - timedelta(days=1)
    for number, text in enumerate(texts[:listed]):
        somebody = small.add_member(text, f"p{number}@small.example")
        turns = [(f"{text} {MARKER}", f"{text}\n\n{MARKER}")]
        began = at + timedelta(milliseconds=number)
        small.add_conversation(owner=somebody, name=text, turns=turns, with_jobs=False, started_at=began)
    owner = small.members[0]
    named = (small.add_conversation(owner=owner, name=text[:300], turns=[], started_at=at) for text in _six(texts))
    all_of_it = Fed(*named)
    for text in texts:
        small.ask(all_of_it.said, f"{text} {MARKER}", f"{text}\n\n{MARKER}", at=at)
        all_of_it.said.messages[-1].job = None
        all_of_it.roles.messages.append(Message(text, "said", at, None, text))
    for kind, limit, state in (("failed", 2000, "FAILED"), ("running", 300, "EXECUTING")):
        for text in bundled(texts, limit):
            job = small.ask(getattr(all_of_it, kind), "?", "!", at=at)
            job.topic, job.error, job.progress, job.state = text[:300], text if kind == "failed" else "", text, state
    _work(small.ask(all_of_it.made, "?", "!", at=at), [_step(text, [[text, text], ["1", text]]) for text in texts])
    labels = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    plots = [[[text, f"{text} n"]] for text in texts[:24]]
    for number, text in enumerate(labels):
        plots[number % len(plots)].append([text, str(number + 1)])
    _work(small.ask(all_of_it.drawn, "?", "!", at=at), [_step(rows[0][0], rows) for rows in plots])
    return all_of_it


def _six(texts: tuple[str, ...]) -> list[str]:
    return [*list(bundled(texts, 300))[:6], *["x"] * 6][:6]


def _step(text: str, rows: list[list[str]]) -> Step:
    query = {"table": text, "fields": [text], "filters": {text: text}, "sorts": [{"column_name": text}], "limit": text}
    return Step(text, text, text, query, rows, status=text)


def _work(job: Job, steps: list[Step]) -> None:
    job.actions, job.topic, job.completed_at = tuple(steps), steps[0].message, datetime.now(UTC)


def read_all(fed: Fed, client: Client, user: User, settings: Settings) -> None:
    """Read threads, evidence of each answer, and index, as workers and readers do."""
    settings.SYNC = "all"
    client.get("/conversations/")
    tasks.nudge_sync()
    work()
    settings.SYNC = "off"
    for conversation in (fed.failed, fed.running, fed.made, fed.drawn):
        for place in range(2, len(conversation.messages) + 1, 2):
            evidence.open(user, conversation.id, place)
    documents.refresh(seconds=20)


@dataclass
class Watched:
    """A signed-in browser, and a record of everything that must not happen in it."""

    page: Page
    site: str
    name: str
    measures: bool
    wrong: list[str] = field(default_factory=list)
    pages: int = 0
    went_to: list[str] = field(default_factory=list)

    def watch(self) -> None:
        page = self.page
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog {dialog.message}"))
        page.on("popup", lambda popup: self.wrong.append(f"popup {popup.url}"))
        page.on("download", lambda download: self.wrong.append(f"download {download.url}"))
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on("console", lambda said: self.wrong.append(f"{page.url}: {said.text}") if said.type == "error" else None)
        page.on("framenavigated", lambda frame: self.went_to.append(frame.url))
        page.context.route(re.compile(rf"^(?!{re.escape(self.site)}/|file:|data:|blob:|about:)"), self._outside)

    def _outside(self, route: Route) -> None:
        self.wrong.append(f"asked for {route.request.url}")
        route.abort()

    def look(self, address: str) -> dict[str, Any]:
        """Open a page, and find what is wrong with it."""
        page, url = self.page, address if "://" in address else self.site + address
        self.went_to.clear()
        page.goto(url)
        if "/insights/" in address:  # whose rankings come later: not when the reader has lost the right to them
            page.wait_for_load_state("networkidle")
        return self.look_here(address)

    def look_here(self, address: str) -> dict[str, Any]:
        page = self.page
        page.wait_for_load_state("load")
        # The second look is at the same page, so only running scripts matter.
        found: dict[str, Any] = page.evaluate(LOOK, [self.measures, BOXES, FRAME])
        found["wrong"] += [f"class {name}" for name in found["classes"] if not OUR_CLASSES.fullmatch(name)]
        unseen = UNSEEN.search(found["html"])
        if unseen:
            found["wrong"].append(f"unseen {unseen[0]!r} in {found['html'][unseen.start() - 80 : unseen.end() + 40]!r}")
        if len(page.frames) > 1 or len(self.went_to) > 1:
            found["wrong"].append(f"went to {self.went_to}")
        self.wrong += [f"{self.name} {address}: {line}" for line in found["wrong"]]
        self.pages += 1
        return found


@pytest.fixture
def watched(chromium: Browser, live_server: Any, colleague: User) -> Iterator[dict[str, Watched]]:
    with chromium.new_context(**_CONTEXT) as strict, chromium.new_context(**_CONTEXT, bypass_csp=True) as bare:
        made = {
            name: _signed_in(name, context, str(live_server.url), colleague)
            for name, context in (("with CSP", strict), ("without CSP", bare))
        }
        yield made


_CONTEXT: dict[str, Any] = {"timezone_id": "UTC", "locale": "en-GB", "viewport": {"width": 1280, "height": 900}}


def _signed_in(name: str, context: BrowserContext, site: str, user: User) -> Watched:
    cookie = signed_in(user).cookies[django_settings.SESSION_COOKIE_NAME].value
    context.add_cookies(
        [
            {"name": django_settings.SESSION_COOKIE_NAME, "value": cookie, "url": site},
            {"name": "time_zone", "value": "UTC", "url": site},
        ]
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched = Watched(context.new_page(), site, name, measures=name == "without CSP")
    watched.watch()
    return watched


# Pages, lists and files to look at ------------------------------------------------------------------------


def pages(fed: Fed) -> dict[str, str]:
    """Return an address for each kind of page that shows Omni's words."""
    thread = {name: f"/conversations/{getattr(fed, name).id}/" for name in Fed.__dataclass_fields__}
    return {
        "the list": "/conversations/",
        "the list, found": f"/conversations/?q={MARKER}",
        "a thread": thread["said"],
        "a thread, marked": f"{thread['said']}?q={MARKER}",
        "a thread of roles": thread["roles"],
        "a thread of failed jobs": thread["failed"],
        "a thread of running jobs": thread["running"],
        "a failed job": f"{thread['failed']}messages/2/evidence/",
        "a running job": f"{thread['running']}messages/2/evidence/",
        "evidence": f"{thread['made']}messages/2/evidence/",
        "evidence, drawn": f"{thread['drawn']}messages/2/evidence/",
        "rows": f"{thread['drawn']}messages/2/queries/1/?sort=1",
        "print": f"{thread['made']}print/",
        "print, said": f"{thread['said']}print/",
        "bundle": f"{thread['failed']}bundle/",
        "insights": "/insights/?period=all",
    }


def look_at_pages(fed: Fed, watched: dict[str, Watched], harmless: dict[str, dict[str, Any]]) -> None:
    """Compare pages, wide and on a telephone, with a harmless one: the site's own parts must be in the same place."""
    for browser in watched.values():
        for name, address in pages(fed).items():
            found = browser.look(address)
            plain = harmless[name]
            for kind in ("ids", "names"):
                new = set(found[kind]) - {ours for one in harmless.values() for ours in one[kind]}
                browser.wrong += [f"{name}: {kind} out of a text: {new}"] if new else []
            moved = {
                where: at for where, at in found["seen"].items() if browser.measures and at != plain["seen"].get(where)
            }
            browser.wrong += [f"{name}: moved {moved} from {plain['seen']}"] if moved else []
    narrow = watched["without CSP"]
    narrow.page.set_viewport_size({"width": 390, "height": 800})
    for name in (
        "the list",
        "the list, found",
        "a thread",
        "a thread of roles",
        "evidence, drawn",
        "rows",
        "print",
        "insights",
    ):
        narrow.look(pages(fed)[name])
    narrow.page.set_viewport_size(_CONTEXT["viewport"])


def look_at_lists(browser: Watched) -> None:
    """Look at all pages of the lists: each text is a name, a last prompt, a snippet and a person's name."""
    for address in ("/conversations/", f"/conversations/?q={MARKER}"):
        texts = people = ""
        browser.look(address)
        for _ in range(20):
            texts += browser.page.locator("main").inner_text()
            people += "".join(browser.page.locator(".row-facts").all_inner_texts())
            older = browser.page.locator("nav.pages a[rel=next]")
            if not older.count():
                break
            browser.look(browser.page.evaluate("document.querySelector('nav.pages a[rel=next]').href"))
        assert all(word in texts for word in ("<script>", "Sign in again", "U+202E"))
        missing = [word for word in ("<script>", "Sign in again", "U+202E") if word not in people]
        assert not missing, (address, len(people), people[:300])


def look_at_titles(client: Client, browser: Watched, small: Organization) -> None:
    """Look at every fourth conversation's page: its title, its heading, and the titles of both its neighbours."""
    shown = []
    for row in small.conversations[::4]:
        answer = client.get(f"/conversations/{row.id}/")
        assert answer.status_code == 200
        neighbours = client.get(f"/conversations/{row.id}/neighbours/", headers={"HX-Request": "true"})
        shown.append(answer.content.decode().replace("<main", f"{neighbours.content.decode()}<main", 1))
    read = browser.page.evaluate(
        READ,
        shown,
    )
    for html, (title, handlers, active, _, _) in zip(shown, read, strict=True):
        assert title.endswith(" · Omniviewer")
        assert (handlers, active) == (0, 0), title
        assert not UNSEEN.search(html), title
    assert len({ids for _, _, _, ids, _ in read if "message-N " in ids}) <= 6
    assert len({head for *_, head in read}) == 1


def look_at_progress(fed: Fed, client: Client, browser: Watched) -> None:
    """Look at a job's progress, as the page requests it while somebody waits."""
    fed.running.messages[-1].created_at = datetime.now(UTC)
    client.get(f"/conversations/{fed.running.id}/?refresh=1")
    last, shown = fed.running.messages[-1].job, []
    assert last
    for text in bundled(TEXTS, 300):
        last.progress = text
        OurJob.objects.update(asked_at=datetime.now(UTC) - timedelta(minutes=1))
        address = f"/conversations/{fed.running.id}/fresh/?revision=9&count=9999&looks=1"
        shown.append(client.get(address, headers={"HX-Request": "true"}).content.decode())
    read = browser.page.evaluate(READ, shown)
    assert [(handlers, active) for _, handlers, active, _, _ in read] == [(0, 0)] * len(shown)
    assert sum(1 for html in shown if "<q dir" in html) == len(shown)
    assert not UNSEEN.search("".join(shown))


def look_at_pictures(fed: Fed, browser: Watched) -> None:
    """Look at our charts as documents of their own: each text is a label, some are a title and an axis."""
    texts = ""
    for number in range(1, 25):
        browser.page.goto(f"{browser.site}/conversations/{fed.drawn.id}/messages/2/queries/{number}.svg")
        html, names, ran = browser.page.evaluate(
            "[document.documentElement.outerHTML, [...document.querySelectorAll('*')].flatMap("
            "one => [one.localName, ...[...one.attributes].map(two => two.name)]), window.__ran]"
        )
        odd = {
            name for name in names if re.match(r"on|id$|name$|(xlink:)?href|script|a$|image|foreign|use|set|anim", name)
        }
        unseen = UNSEEN.search(html)
        browser.wrong += [f"svg {number}: {odd} {ran} {unseen}"] if odd or ran or unseen else []
        browser.pages += 1
        texts += html
    assert "&lt;script" in texts


def look_at_files(fed: Fed, client: Client, browser: Watched, folder: Path) -> None:
    """Look at exports: none opens as a page of this site, and as pages of their own they are as safe."""
    types = {
        "md": "text/markdown",
        "json": "application/json",
        "csv": "text/csv",
        "html": "text/html",
        "zip": "application/zip",
    }
    for row in (fed.said, fed.roles, fed.failed, fed.made, fed.drawn):
        for extension, content_type in types.items():
            answer = client.get(f"/conversations/{row.id}.{extension}")
            content = b"".join(cast("Any", answer).streaming_content) if answer.streaming else answer.content
            assert answer.headers["Content-Type"].split(";")[0] == content_type
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert re.fullmatch(r'attachment; filename="[a-z0-9-]+\.[a-z]+"', answer.headers["Content-Disposition"])
            assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
            if extension == "md":
                assert not UNSEEN.search(content.decode())
            if extension == "html":
                file = folder / f"{row.id}.html"
                file.write_bytes(content)
                browser.look(file.as_uri())
            if extension == "zip":
                names = zipfile.ZipFile(BytesIO(content)).namelist()
                assert all(re.fullmatch(r"(answer-\d{3}/)?[a-z0-9-]+\.[a-z]{2,4}", name) for name in names), names


def look_at_clipboard(fed: Fed, browser: Watched) -> None:
    """Copied text, pasted into an editor that lets everything in, and a table's copied cells stay harmless."""
    page = browser.page
    for address in (f"/conversations/{fed.said.id}/", f"/conversations/{fed.made.id}/"):
        browser.look(address)
        page.locator(".export summary").click()
        page.get_by_role("button", name="Copy for a ticket all messages").click()
        page.get_by_text("paste it into the ticket").wait_for()
        _paste(browser, address)
    page.locator(".message-foot [data-for-ticket]").click()
    page.wait_for_timeout(300)
    _paste(browser, "an answer with its queries")
    browser.look(f"/conversations/{fed.drawn.id}/messages/2/evidence/")
    page.get_by_role("tab", name="Rows").click()
    for button in page.get_by_role("button", name="Copy table").all():
        button.click()
        page.get_by_text("copied", exact=False).last.wait_for()
        page.wait_for_timeout(50)
        _paste(browser, "cells")


def _paste(browser: Watched, what: str) -> None:
    plain, html, odd = browser.page.evaluate(PASTE)
    unseen = UNSEEN.search(plain) or UNSEEN.search(html)
    browser.wrong += [f"clipboard of {what}: {odd} {unseen}"] if odd or unseen else []
    cells = [cell for row in csv.reader(StringIO(plain, newline=""), delimiter="\t") for cell in row]
    formulas = [cell for cell in cells if what == "cells" and re.match("[=@\uff1d]", cell)]
    browser.wrong += [f"formula {formulas}"] if formulas else []


def look_at_what_comes_later(fed: Fed, small: Organization, browser: Watched) -> None:
    """Parts that htmx adds to an open page stay harmless: evidence, and a thread that has grown."""
    browser.look(f"/conversations/{fed.made.id}/")
    browser.page.get_by_text("Evidence", exact=True).click()
    browser.page.get_by_role("tab", name="Steps").click()
    browser.page.locator(".actions-taken").wait_for()
    browser.look_here("evidence, opened")
    grown = small.add_conversation(owner=small.members[0], name="Grows", turns=[("?", "!")], with_jobs=False)
    browser.look(f"/conversations/{grown.id}/")
    for text in TEXTS:
        small.ask(grown, text, text, at=datetime.now(UTC))
        grown.messages[-1].job = None
    grown.messages[0].text, grown.messages[1].text = TEXTS[0], TEXTS[-1]
    make_old()
    browser.look(f"/conversations/{grown.id}/")
    browser.page.locator(f"#message-{2 * len(TEXTS) + 2}").wait_for(state="attached", timeout=60_000)
    browser.look_here("a thread that has grown")


def look_at_staff_pages(client: Client, user: User) -> None:
    """Check that no word of Omni's appears on staff pages."""
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    for address in ("/stored/", "/activity/all/", "/admin/", "/admin/audit/event/", "/admin/accounts/user/"):
        answer = client.get(address)
        assert answer.status_code == 200, address
        # Titles stand in the audit log for those who see them in their list, as text.
        text = (
            re.sub(r">[^<>]*<", "><", answer.content.decode())
            if address == "/activity/all/"
            else answer.content.decode()
        )
        assert not re.search(f"{re.escape(LEAK)}|__ran", text), address


def test_there_are_many_of_them() -> None:
    assert len(set(TEXTS)) == len(TEXTS) >= 250
    assert all(len(texts) >= 15 for texts in FAMILIES.values())


def test_they_would_bite(chromium: Browser) -> None:
    """Put into a page as they are, many run or load: a browser that sees nothing would prove nothing."""
    texts = [
        text for name in ("script", "handlers", "svg and mathml", "mutation", "elements") for text in FAMILIES[name]
    ]
    ran: set[int] = set()
    asked: set[int] = set()
    with chromium.new_context() as context:

        def answer(route: Route) -> None:
            if route.request.url == f"http://plain.example/{number}":
                route.fulfill(body=f"<!doctype html><body>{texts[number]}", content_type="text/html")
                return
            if LEAK in route.request.url:
                asked.add(number)
            route.abort()

        context.route("**/*", answer)
        page = context.new_page()
        for number in range(len(texts)):
            try:
                page.goto(f"http://plain.example/{number}", timeout=3000)
                if page.evaluate("window.__ran"):
                    ran.add(number)
            except PlaywrightError:  # one leads away, and would break off what the next ones load
                page.close()
                page = context.new_page()
    print(f"As they are, {len(ran)} of {len(texts)} texts run, and {len(asked)} ask another host.")  # noqa: T201
    assert len(ran) >= 60
    assert len(asked) >= 15


def test_nothing_runs_loads_or_lies(
    small: Organization,
    small_omni: StandIn,
    colleague: User,
    watched: dict[str, Watched],
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.FRESH_FOR = timedelta(hours=1)
    credential_for(colleague, small_omni, small.organization_key())
    client = signed_in(colleague)
    # As many messages of the same length, because their number decides which controls are shown.
    words = tuple(f"{number} {'plain words ' * len(text)}"[: max(len(text), 6)] for number, text in enumerate(TEXTS))
    plain = feed(small, words, listed=60)
    read_all(plain, client, colleague, settings)
    harmless = {name: watched["without CSP"].look(address) for name, address in pages(plain).items()}
    for row in small.conversations:
        small.remove(row.id)
    small.members.clear()
    # A new key, because the site would not ask again so soon with the first one.
    Credential.objects.all().delete()
    while removal.run(seconds=10):
        pass
    credential_for(colleague, small_omni, small.organization_key())
    with caplog.at_level("DEBUG"):
        fed = feed(small, TEXTS)
        read_all(fed, client, colleague, settings)
        assert Access.objects.count() == len(TEXTS) + len(Fed.__dataclass_fields__)
        look_at_pages(fed, watched, harmless)
        # Without a policy that would stop a script, so the page alone has to: the stricter of both browsers.
        bare = watched["without CSP"]
        look_at_lists(bare)
        look_at_titles(client, watched["with CSP"], small)
        look_at_progress(fed, client, watched["with CSP"])
        look_at_pictures(fed, bare)
        look_at_files(fed, client, bare, tmp_path)
        look_at_clipboard(fed, bare)
        look_at_what_comes_later(fed, small, bare)
        look_at_staff_pages(client, colleague)
    ours = [
        record
        for record in caplog.records
        if record.name.partition(".")[0] in ("omniviewer", "conversations", "django", "csp")
    ]
    assert not [record.getMessage() for record in ours if LEAK in record.getMessage() or "__ran" in record.getMessage()]
    for browser in watched.values():
        did = len(browser.wrong)
        print(f"{browser.name}: {len(TEXTS)} texts on {browser.pages} pages, {did} did something.")  # noqa: T201
        assert not browser.wrong, "\n".join(browser.wrong[:40])
