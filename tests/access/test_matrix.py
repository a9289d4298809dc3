"""Nobody reads what Omni would not show them: every address, every way of asking, every kind of reader.

Each kind of text in one conversation carries a word of its own. The table says for each address which kinds it
shows, and the right that opens it; the cast, which kinds Omni's replies to each reader's own token held. An answer
holds the kinds that both name: no more, and no less.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from conversations.models import Access, Capture, Star, TicketReference, Visit
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from tests.accounts.test_sign_in import addresses
from tests.captured import work
from tests.conftest import EXAMPLE, credential_for, person, signed_in, taken_back

pytestmark = pytest.mark.slow
HTMX = {"HX-Request": "true"}
# The beginning of a mark in every text of the tested conversation; the kind of text follows.
MARK = "zebra"
NAME, PROMPT, QUESTION, ANSWER = "name", "prompt", "question", "answer"
STEP, TOPIC, ERROR, QUERY, FIELDS, ROWS, CHART = "step", "topic", "error", "query", "fields", "rows", "chart"
OLD_NAME, OLD_PROMPT, OLD_QUESTION, OLD_ANSWER = "oldname", "oldprompt", "oldquestion", "oldanswer"
OWNER, TICKET, LABEL, ID = "owner", "ticket", "label", "id"
OLD = frozenset({OLD_QUESTION, OLD_ANSWER, OLD_PROMPT})
TEXTS = (NAME, PROMPT, QUESTION, ANSWER, STEP, TOPIC, ERROR, QUERY, FIELDS, ROWS, OLD_NAME, *sorted(OLD), OWNER, LABEL)
WORDS = {kind: f"{MARK}{kind}" for kind in TEXTS} | {TICKET: f"{MARK}-1"}
PNG = (b"\x89png\r\n", b"data:image/png")
# The name or, if that was not shown, the last question.
TITLE = "title"
# Kinds that each of Omni's routes shows, and kinds that depend on the right.
ROW = frozenset({ID, NAME, PROMPT})
MESSAGES = ROW | {QUESTION, ANSWER, TICKET}
JOB = MESSAGES | {TOPIC, ERROR}
EVIDENCE = JOB | {STEP, QUERY, FIELDS, ROWS, CHART}


@dataclass(frozen=True)
class Right:
    """A reader's rights: the kinds that Omni's replies to their own token held, and the routes that were refused to it.

    An organization key is told the names of people. `is_late`: first shown it after Omni had redacted it.
    """

    kinds: frozenset[str]
    refused: tuple[Any, ...] = ()
    is_key: bool = True
    is_late: bool = True


RIGHTS = {
    # Comes first, so that Omni is asked for the result with this token, and refuses.
    "job without result": Right(JOB | OLD | {OWNER}, ("result",), is_late=False),
    # Signed in under a username of their own.
    "owner": Right(EVIDENCE | OLD | {LABEL}, is_key=False, is_late=False),
    "organization key": Right(EVIDENCE | OLD | {OWNER}, is_late=False),
    "later token": Right(EVIDENCE | {OWNER}),
    # The result is stored, so it costs no further request, and the job's route has opened it.
    "job alone": Right(EVIDENCE | {OWNER}, ("result",)),
    "thread without job": Right(MESSAGES | {OWNER}, ("job", "result", "chart")),
    # Only the list tells the name.
    "thread without list": Right(EVIDENCE - {NAME}, ("list",), is_key=False),
    "listed only": Right(ROW, ("thread",)),
}
OTHERS = (
    "rejected", "removed", "late", "leaver", "colleague", "no credential", "staff", "signed out", "another organization"
)  # fmt: skip
Kinds = frozenset[str]
NONE: Kinds = frozenset()


@dataclass(frozen=True)
class Shows:
    """Kinds that an address shows to a reader with all rights; `needs`: the kind of which a right opens the address.

    `fragment`: to htmx, where that is something else than the page. `head`: in its headers. `form`: in answer to a
    form, with htmx or without. `without`: what a form tells of, where the reader has the right to the row alone.
    `has_people`: its control names everybody of the organization to an organization key.
    """

    needs: str = ID
    page: Kinds | set[str] = NONE
    fragment: Kinds | set[str] | None = None
    head: Kinds | set[str] = NONE
    form: Kinds | set[str] = NONE
    without: Kinds | set[str] = NONE
    has_people: bool = False

    def to(self, right: Right, way: str) -> set[str]:
        """Return the kinds that a reader with this right is shown by this way of asking."""
        if self.needs not in right.kinds:
            return set(self.without) if "form" in way else set()
        fragment = self.page if self.fragment is None else self.fragment
        kinds = {"page": self.page, "fragment": fragment, "HEAD": self.head}.get(way, self.form)
        title = {NAME if NAME in right.kinds else PROMPT} if TITLE in kinds else set()
        people = {OWNER} if self.has_people and right.is_key and way in ("page", "fragment") and kinds else set()
        return {*(kinds & right.kinds), *title, *people}


NOTHING = Shows()
THREAD = f"/conversations/{EXAMPLE}/"
MESSAGE = f"{THREAD}messages/1/"
LISTED = {ID, TITLE, PROMPT, TICKET, OWNER}
SAID = {TITLE, PROMPT, QUESTION, ANSWER}
TOLD = {QUERY, FIELDS, ROWS, STEP, TOPIC, ERROR}
OPENED = {*SAID, *OLD, OWNER, TICKET, TOPIC, ERROR}
MATRIX: dict[str, Shows] = {
    # Comes first, while the log holds only the acts of the cast.
    "/activity/": NOTHING,
    "/activity/all/": NOTHING,
    "/activity/all/csv/": NOTHING,
    "/": NOTHING,
    "/conversations/": Shows(ID, {*LISTED, TOPIC}, NONE, has_people=True),
    "/conversations/fresh/": Shows(ID, NONE, {*LISTED, TOPIC}),
    "/conversations/complete/": NOTHING,
    "/conversations/facets/": Shows(ID, NONE, {TOPIC, TICKET, OWNER}),
    "/conversations/selected/": Shows(QUESTION, form={ID, *SAID, OWNER, ERROR}, without={ID}),
    "/conversations/all-read/": NOTHING,
    "/exports/": NOTHING,
    "/exports/1/": NOTHING,
    "/exports/1/remove/": NOTHING,
    "/exports/1.zip": NOTHING,
    THREAD: Shows(QUESTION, OPENED, NONE),
    f"{THREAD}fresh/": Shows(QUESTION, NONE, OPENED - {TICKET}),
    f"{THREAD}neighbours/": NOTHING,
    f"{THREAD}tickets/": NOTHING,
    f"{THREAD}tickets/remove/": Shows(QUESTION, form=OPENED),
    f"{THREAD}print/": Shows(QUESTION, {*SAID, *TOLD, OWNER}),
    f"{THREAD}bundle/": Shows(QUESTION, {TITLE, ERROR}, {ERROR}),
    f"{THREAD}star/": NOTHING,
    f"{THREAD}standings/": Shows(QUESTION, NONE, {TOPIC, ERROR}),
    f"{THREAD}for-ticket.json": Shows(QUESTION, {*SAID, OWNER}),
    MESSAGE: Shows(QUESTION, OPENED, NONE),
    f"{MESSAGE}evidence/": Shows(QUESTION, {TITLE, *TOLD}, TOLD),
    f"{MESSAGE}evidence/keep/": Shows(QUESTION, NONE, {TOPIC, ERROR}),
    f"{MESSAGE}chart.png": Shows(CHART, {CHART}),
    f"{MESSAGE}charts/": Shows(QUERY, NONE, {QUERY, ROWS}),
    f"{MESSAGE}queries/1/": Shows(QUERY, {TITLE, QUERY, FIELDS, ROWS}, {QUERY, ROWS}),
    f"{MESSAGE}queries/1.csv": Shows(QUERY, {QUERY, ROWS}, head={QUERY}),
    f"{MESSAGE}queries/1.svg": Shows(QUERY, {QUERY, ROWS}),
    f"{MESSAGE}queries/1-1.svg": Shows(QUERY, {QUERY, ROWS}),
    f"{MESSAGE}for-ticket.json": Shows(QUESTION, {*SAID, OWNER, ERROR, QUERY, FIELDS, ROWS}),
    f"/conversations/{EXAMPLE}.md": Shows(QUESTION, {*SAID, OWNER, ERROR}, head={TITLE}),
    f"/conversations/{EXAMPLE}.json": Shows(QUESTION, {*SAID, OWNER, ERROR}, head={TITLE}),
    f"/conversations/{EXAMPLE}.csv": Shows(QUESTION, {*SAID, OWNER, ERROR}, head={TITLE}),
    f"/conversations/{EXAMPLE}.html": Shows(QUESTION, {*SAID, *TOLD, OWNER, CHART}, head={TITLE}),
    f"/conversations/{EXAMPLE}.zip": Shows(QUESTION, {*SAID, *TOLD, OWNER, CHART}, head={TITLE}),
    f"/jobs/{EXAMPLE}/": Shows(QUESTION, {ID}, head={ID}),
    f"/chat/{EXAMPLE}": NOTHING,
    f"/chat/{EXAMPLE}/": NOTHING,
    "/open": NOTHING,
    "/open/": NOTHING,
    "/insights/": Shows(ID, {TOPIC, OWNER}, has_people=True),
    "/insights/questions/": Shows(QUESTION, {ID, QUESTION, PROMPT, OWNER}),
    "/insights/csv/": NOTHING,
    "/stored/": NOTHING,
    "/credentials/": Shows(ID, {LABEL}),
    "/credentials/connect/": NOTHING,
    "/credentials/1/": NOTHING,
    "/credentials/1/token/": NOTHING,
    "/credentials/1/default/": NOTHING,
    "/credentials/1/remove/": NOTHING,
    "/credentials/1/hand-over/": NOTHING,
    "/credentials/offers/1/": NOTHING,
    "/credentials/removals/": NOTHING,
    "/credentials/1/sync/": NOTHING,
    "/sign-in/": NOTHING,
    "/sign-out/": NOTHING,
    "/signed-out/": NOTHING,
    "/appearance/": NOTHING,
    "/announcements/1/dismiss/": NOTHING,
    "/scim/v2/ServiceProviderConfig": NOTHING,
    "/scim/v2/ResourceTypes": NOTHING,
    "/scim/v2/ResourceTypes/1": NOTHING,
    "/scim/v2/Schemas": NOTHING,
    "/scim/v2/Schemas/1": NOTHING,
    "/scim/v2/Users": NOTHING,
    "/scim/v2/Users/1": NOTHING,
    "/scim/v2/Groups": NOTHING,
    "/scim/v2/Groups/1": NOTHING,
    "/scim/v2/1": NOTHING,
    "/admin/login/": NOTHING,
    "/admin/logout/": NOTHING,
    "/admin/password_change/": NOTHING,
    "/demo/continue/": NOTHING,
}
# More and less than the table says: in a page of evidence, in lists and in the insights, a topic counts as evidence,
# which a refusal of the result ends.
EXCEPTIONS: dict[tuple[str, str, str], tuple[Kinds, Kinds]] = {
    ("job without result", f"{MESSAGE}evidence/", "page"): (NONE, frozenset({TOPIC})),
    ("job without result", "/conversations/", "page"): (NONE, frozenset({TOPIC})),
    **{
        ("job without result", f"/conversations/{part}/", "fragment"): (NONE, frozenset({TOPIC}))
        for part in ("fresh", "facets")
    },
    **{("job without result", "/insights/", way): (NONE, frozenset({TOPIC})) for way in ("page", "fragment")},
}
# The audit log, by address and person: the conversation by its id, and the ticket that somebody came from. One's own
# acts, whatever right has ended since; everybody's, to staff. The title only to those who see it in their list.
READ_IT = (*RIGHTS, "rejected", "removed", "late")
ACTED: dict[str, dict[str, set[str]]] = {
    "/activity/": {who: {ID, TICKET} if who == "owner" else {ID} for who in READ_IT},
    "/activity/all/": {"staff": {ID, TICKET}},
    "/activity/all/csv/": {"staff": {ID, TICKET}},
}
# Search queries; the kind that a reader must be allowed to read for the query to find the conversation; and a kind
# that the reader must not be allowed to read.
NOBODY = "nobody"
FINDS: dict[str, tuple[str, str]] = {
    **{WORDS[kind]: (kind, "") for kind in (NAME, PROMPT, QUESTION, ANSWER, QUERY, FIELDS)},
    **{WORDS[kind][:-1]: (kind, "") for kind in (NAME, PROMPT, QUESTION, ANSWER, QUERY, FIELDS)},
    **{f"-{WORDS[kind]}": (ID, kind) for kind in (NAME, PROMPT, QUESTION, ANSWER, QUERY)},
    **{WORDS[kind]: (NOBODY, "") for kind in (ROWS, STEP, ERROR, OLD_NAME, *sorted(OLD))},
    # A topic is found by people who may see the evidence of every job.
    WORDS[TOPIC]: (QUERY, ""),
    "in:name zebranam*": (NAME, ""),
    "in:question zebraname": (NOBODY, ""),
    '"the zebraquestion"': (QUESTION, ""),
    "in:question zebraquestio*": (QUESTION, ""),
    "in:answer zebraanswer": (ANSWER, ""),
    "in:answer zebraquestion": (NOBODY, ""),
    "in:query zebraquery": (QUERY, ""),
    "zebraprompt zebraquery": (QUERY, ""),
    "-nosuchword": (ID, ""),
    "-in:query -zebraquery": (ID, QUERY),
    "owner:zebraow": (OWNER, ""),
    "-owner:zebraow": (ID, OWNER),
    "topic:zebratopic": (QUERY, ""),
    "topic:=zebratopic": (QUERY, ""),
    "-topic:zebratopic": (ID, QUERY),
    "has:chart": (CHART, ""),
    "-has:chart": (ID, CHART),
    "has:rows": (ROWS, ""),
    "-has:rows": (ID, ROWS),
    "has:ticket": (TICKET, ""),
    "-has:ticket": (ID, TICKET),
    "ticket:ZEBRA-1": (TICKET, ""),
    "-ticket:ZEBRA-1": (ID, TICKET),
    "state:answered": (ANSWER, ""),
    "-state:answered": (ID, ANSWER),
    "state:failed": (QUERY, ""),
    "-state:failed": (ID, QUERY),
    "asked:30d": (QUESTION, ""),
    "-asked:30d": (ID, QUESTION),
    "hour:12": (QUESTION, ""),
    "-hour:12": (ID, QUESTION),
    "from:30d": (ID, ""),
    "to:2020-01-01": (NOBODY, ""),
    "is:starred": (ID, ""),
    "-is:starred": (NOBODY, ""),
}
# Signing out would end the test; the demo's sign-in lets anybody be somebody.
NO_FORM = ("/sign-out/", "/admin/logout/", "/demo/continue/", "/admin/login/", "/sign-in/")
Cast = dict[str, Client]


@dataclass(frozen=True)
class World:
    organization: Organization
    omni: StandIn
    planted: InOmni
    cast: Cast

    def path(self, address: str, credential: int, position: int = 2) -> str:
        """Return the address with this conversation, its job and that credential in it."""
        address = address.replace("messages/1/", f"messages/{position}/")
        address = address.replace("/credentials/1/", f"/credentials/{credential}/")
        about = self.planted.jobs[0].id if address.startswith("/jobs/") else self.planted.id
        return address.replace(EXAMPLE, str(about))

    def shown(self, answer: Any, path: str) -> set[str]:
        """Return the kinds of text that an answer holds, in its head, its body and the files of a zip."""
        said = _bytes(answer).lower()
        found = {kind for kind, word in WORDS.items() if word.encode() in said}
        if any(picture in said for picture in PNG):
            found.add(CHART)
        # If the address names the conversation, its id on the page reveals nothing.
        if str(self.planted.id) not in path and str(self.planted.id).encode() in said:
            found.add(ID)
        return found


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Create everybody and everything once; each test's changes to the database are rolled back."""
    organization, elsewhere = Organization("small-org"), Organization("other-org")
    with (
        django_db_blocker.unblock(),
        StandIn(organization, dialect="reference", rate_per_minute=10_000) as omni,
        StandIn(elsewhere, dialect="reference", rate_per_minute=10_000) as other,
        taken_back(),
    ):
        planted = _planted(organization)
        cast = _cast(organization, omni, planted)
        cast["another organization"] = _credential("elsewhere", other, elsewhere.organization_key())
        yield World(organization, omni, planted, cast)


@pytest.fixture
def world(built: World, db: None) -> World:
    cache.clear()
    return built


def _planted(organization: Organization) -> InOmni:
    """Add a conversation with a query, rows, a chart, a topic, a failed job, and texts that Omni will redact."""
    asks = organization.add_member(WORDS[OWNER], "quagga@small.example")
    found = organization.add_conversation(owner=asks, name=WORDS[OLD_NAME], turns=[])
    at = timezone.now().replace(hour=12, minute=0) - timedelta(days=2)
    job = organization.ask(found, f"the {WORDS[OLD_QUESTION]}", WORDS[OLD_ANSWER], at=at)
    rows = [["Month", "Orders"], [WORDS[ROWS], "10"], ["2026-02", "20"]]
    query = {"table": "orders", "fields": [f"orders.{WORDS[FIELDS]}", "orders.count"]}
    job.actions = (Step("generate_query", WORDS[STEP], WORDS[QUERY], query, rows),)
    job.topic, job.chart = WORDS[TOPIC], True
    failed = organization.ask(found, WORDS[OLD_PROMPT], "Sorry.", at=at + timedelta(minutes=5))
    failed.state, failed.error = "FAILED", WORDS[ERROR]
    return found


def _redact(planted: InOmni) -> None:
    """Change every text of it at Omni, as the jobs' own prompts follow; the list tells of that."""
    planted.name = WORDS[NAME]
    for message, text in zip(planted.messages, (QUESTION, ANSWER, PROMPT), strict=False):
        message.text = f"the {WORDS[text]}"
    for job, text in zip(planted.jobs, (QUESTION, PROMPT), strict=True):
        job.prompt = f"the {WORDS[text]}"
    planted.updated_at += timedelta(minutes=1)


def _credential(who: str, omni: StandIn, token: str) -> Client:
    user = person(who)
    credential_for(user, omni, token, label=WORDS[LABEL] if who == "owner" else f"Of {who}")
    return signed_in(user)


def _cast(organization: Organization, omni: StandIn, planted: InOmni) -> Cast:
    """Create readers first, because the early ones have to read before Omni redacts."""

    def joins(who: str, right: Right) -> None:
        token = organization.organization_key() if right.is_key else organization.personal_token(planted.owner)
        organization.permissions.deny(*right.refused, token=token)
        cast[who] = _credential(who, omni, token)
        _read(cast[who], planted)

    cast: Cast = {}
    early = [who for who, right in RIGHTS.items() if not right.is_late]
    for who in [*early, "rejected", "removed", "late", "leaver"]:
        joins(who, RIGHTS.get(who, RIGHTS["owner"]))
    work()
    _redact(planted)
    for who, right in RIGHTS.items():
        if right.is_late:
            joins(who, right)
        else:
            _read(cast[who], planted)
    work()
    for who in RIGHTS:
        _read(cast[who], planted)
        cast[who].post("/conversations/selected/", {"conversation": [str(planted.id)], "do": "star"})
    _leave(cast)
    colleague = organization.add_member("Quagga", "q@small.example")
    cast["colleague"] = _credential("colleague", omni, organization.personal_token(colleague))
    cast["no credential"] = signed_in(person("nobody"))
    cast["staff"] = signed_in(User.objects.create_user("staff", password="x", is_staff=True, is_superuser=True))
    cast["signed out"] = Client()
    cast["owner"].get(f"/conversations/{planted.id}/?ticket={WORDS[TICKET]}")
    return cast


def _leave(cast: Cast) -> None:
    """End what four of the cast might read, each in another way."""
    ApiToken.objects.filter(credentials__owner__username="rejected").update(rejected_at=timezone.now())
    mine = Credential.objects.get(owner__username="removed")
    assert cast["removed"].post(f"/credentials/{mine.pk}/remove/").status_code == 302
    assert not Credential.objects.filter(owner__username="removed").exists()
    # Show the success message now: it appears only once, and must not appear on the pages compared later.
    cast["removed"].get("/credentials/")
    long_ago = timezone.now() - timedelta(days=8)
    of_late = Access.objects.filter(api_token__credentials__owner__username="late")
    of_late.update(confirmed_at=long_ago, listed_at=long_ago)
    User.objects.filter(username="leaver").update(is_active=False)


def _read(client: Client, planted: InOmni) -> None:
    client.get("/conversations/?refresh=1")
    client.get(f"/conversations/{planted.id}/?refresh=1")
    for position in (2, 4):
        client.get(f"/conversations/{planted.id}/messages/{position}/evidence/")
    client.get(f"/conversations/{planted.id}/messages/2/chart.png")


def _bytes(answer: Any) -> bytes:
    body = bytes(b"".join(answer.streaming_content) if answer.streaming else answer.content)
    if zipfile.is_zipfile(io.BytesIO(body)):
        archive = zipfile.ZipFile(io.BytesIO(body))
        body += b"".join(name.encode() + archive.read(name) for name in archive.namelist())
    return body + repr(sorted(answer.headers.items())).encode()


def _ways(world: World, client: Client, address: str) -> dict[str, Callable[[str], Any]]:
    sent = {"starred": "1", "ticket": "ABC-2", "do": "export", "next": "/", "label": "Mine", "looks": "1"}
    chosen = {**sent, "conversation": [str(world.planted.id), "1", "2"]}
    ways: dict[str, Callable[[str], Any]] = {
        "page": client.get,
        "fragment": lambda path: client.get(path, {"looks": "1", "refresh": "1", "count": "9"}, headers=HTMX),
        "HEAD": client.head,
    }
    if address not in NO_FORM:
        ways["form"] = lambda path: client.post(path, chosen)
        ways["form fragment"] = lambda path: client.post(path, chosen, headers=HTMX)
    return ways


def test_every_address_stands_in_the_matrix(db: None) -> None:
    assert set(MATRIX) == set(addresses())


def test_each_is_shown_what_their_own_token_was_shown_and_others_nothing(world: World) -> None:
    """Each cell of the table: an address shows somebody all that they may see, and not a byte more."""
    wrong: dict[tuple[str, str, str], tuple[list[str], list[str]]] = {}
    answers = 0
    for who, client in world.cast.items():
        marks = _marks()
        if who == "late":
            world.omni.fail(Fault.status(503), path="")
        with taken_back():
            for address in MATRIX:
                for way, (shown, count) in _shown_by_way(world, who, client, address).items():
                    answers += count
                    expected = _expected(who, address, way)
                    if shown != expected:
                        wrong[who, address, way] = (sorted(shown - expected), sorted(expected - shown))
            assert who in RIGHTS or _marks() == marks, who
        world.omni.recover()
        cache.clear()
    people = len(RIGHTS) + len(OTHERS)
    cells = people * len(MATRIX) * len(WORDS | {CHART: "", ID: ""}) * 5
    print(f"{answers:,} answers to {people} people at {len(MATRIX)} addresses: {cells:,} cells")  # noqa: T201
    assert wrong == {}, "\n".join(f"{where}: in excess {rows[0]}, missing {rows[1]}" for where, rows in wrong.items())


def _shown_by_way(world: World, who: str, client: Client, address: str) -> dict[str, tuple[set[str], int]]:
    """Return the kinds that somebody is shown by each way of asking, in how many answers."""
    # Forms that change a credential are tried with somebody else's.
    whose = "colleague" if who == "owner" else "owner"
    credential = Credential.objects.get(owner__username=whose).pk
    found: dict[str, tuple[set[str], int]] = {}
    for position in (2, 4) if "messages/1/" in address else (2,):
        path = world.path(address, credential, position)
        for way, ask in _ways(world, client, address).items():
            answer = ask(path)
            if who not in RIGHTS:
                assert "ETag" not in answer.headers, (who, path)
            before, count = found.get(way, (set(), 0))
            found[way] = before | world.shown(answer, path), count + 1
    return found


def _expected(who: str, address: str, way: str) -> set[str]:
    if address in ACTED:
        acts = ACTED[address].get(who, set())
        title = {NAME if NAME in RIGHTS[who].kinds else PROMPT} if acts and who in RIGHTS else set()
        return acts | title if way in ("page", "fragment") else set()
    if who not in RIGHTS:
        return set()
    more, less = EXCEPTIONS.get((who, address, way), (NONE, NONE))
    return (MATRIX[address].to(RIGHTS[who], way) | more) - less


def _marks() -> list[int]:
    """Return how many rows there are of each kind that forms leave behind on a conversation."""
    return [model.objects.count() for model in (Star, TicketReference, Capture, Visit)]


def test_staff_read_no_text_in_the_administration(world: World) -> None:
    for model in admin.site._registry:
        path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert world.shown(world.cast["staff"].get(path), path) <= {ID, TICKET}, path


def test_a_question_is_answered_out_of_what_the_asker_may_be_shown(world: World) -> None:
    wrong = []
    for who in sorted(RIGHTS.keys() - {"later token", "job alone"}):
        # The list of one person, which an organization key may ask for, names what is that person's.
        kinds = RIGHTS[who].kinds | ({OWNER} if RIGHTS[who].is_key else set())
        for typed, (needs, without) in FINDS.items():
            page = world.cast[who].get("/conversations/", {"q": typed})
            said = page.content.decode()
            is_found = needs in kinds and without not in kinds
            # The page repeats the query, so its words are no leak.
            excess = world.shown(page, "") - kinds - {kind for kind, word in WORDS.items() if word in typed.lower()}
            if excess or ('class="row-title"' in said) is not is_found or ("1 conversation" in said) is not is_found:
                wrong.append((who, typed, is_found, excess))
    assert wrong == [], "\n".join(map(repr, wrong))


def test_a_ticket_leads_to_whoever_may_read_the_messages(world: World) -> None:
    for who, right in RIGHTS.items():
        page = world.cast[who].get("/conversations/?ticket=ZEBRA-1").content.decode()
        assert (str(world.planted.id) in page) is (TICKET in right.kinds), who


def test_the_insights_count_what_their_reader_may_read(world: World) -> None:
    """Questions count by the right to the messages; failed answers and topics by the right to the evidence."""
    for who, right in RIGHTS.items():
        page = world.cast[who].get("/insights/?period=all").content.decode()
        text = re.sub(r"<[^>]+>|\s+", " ", page)
        text = re.sub(r" +", " ", text)
        assert ("2 questions in 1 conversation" in text) is (QUESTION in right.kinds), (who, text)


def test_no_question_tells_others_of_it(world: World) -> None:
    """The reply has no count, no row, no coverage and no owner among the controls, as if nothing were stored."""
    asked = [("/conversations/", {"q": typed}, typed) for typed in FINDS]
    asked += [("/insights/", {"period": "all", "owner": typed}, typed) for typed in ("", "me", WORDS[OWNER])]
    for who in ("colleague", "another organization"):
        for path, query, typed in asked:
            answer = world.cast[who].get(path, query)
            page = answer.content.decode()
            assert world.shown(answer, "") <= {kind for kind, word in WORDS.items() if word in typed.lower()}
            assert not re.search(r"\b[1-9][0-9,]* (conversation|question)", page), (who, typed)
            assert not re.search(r"of [1-9][0-9,]* (read|conversations)", page), (who, typed)
            assert 'class="row-title"' not in page


def test_what_is_not_shown_and_what_is_not_there_are_the_same(world: World) -> None:
    job, compared = world.planted.jobs[0].id, 0
    for who in ("colleague", "another organization", "rejected", "removed", "no credential", "signed out"):
        for address in MATRIX:
            if EXAMPLE not in address:
                continue
            nowhere, no_job = uuid4(), uuid4()
            path = world.path(address, 1)
            elsewhere = path.replace(str(world.planted.id), str(nowhere)).replace(str(job), str(no_job))
            for headers in ({}, HTMX):
                mine, theirs = (world.cast[who].get(one, headers=headers) for one in (path, elsewhere))
                assert mine.status_code == theirs.status_code, (who, address)
                assert _plain(mine, world.planted.id, job) == _plain(theirs, nowhere, no_job), (who, address)
                compared += 1
    assert compared > 300


def _plain(answer: Any, *ids: object) -> str:
    """Return a page without what differs by its own address, by the moment, and from one request to the next."""
    text = _bytes(answer).decode(errors="replace")
    for found in ids:
        text = text.replace(str(found), "ID")
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"|X-Request-ID\', \'[^\']+', "", text)
    return re.sub(r"\b\d\d:\d\d(:\d\d(\.\d+)?)?\b|\b\d+(\.\d+)? seconds?|data-again-in=\"[^\"]*\"", "", text)


def test_who_is_deactivated_in_the_middle_is_out_at_once(world: World) -> None:
    owner, thread = world.cast["owner"], f"/conversations/{world.planted.id}/"
    assert owner.get(thread).status_code == 200
    User.objects.filter(username="owner").update(is_active=False)
    for path in (thread, "/conversations/", f"/conversations/{world.planted.id}.json"):
        answer = owner.get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in/")
    assert Session.objects.exists()


def test_past_its_time_omni_is_asked_again_and_its_no_counts(world: World) -> None:
    """Lastly, Omni no longer accepts the token of the reader who is late."""
    world.organization.revoke(Credential.objects.get(owner__username="late").api_token.token.reveal())
    world.omni.requests.clear()
    path = f"/conversations/{world.planted.id}/"
    answer = world.cast["late"].get(path)
    assert answer.status_code == 403
    assert world.shown(answer, path) == set()
    assert world.omni.requests
