"""Nobody reads what Omni would not show them: every address, by every way of asking, for everybody who might try."""

import io
import random
import re
import statistics
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from conversations import tasks
from conversations.models import Access, Capture, Conversation, Message, Star, TicketReference, Visit
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import work
from tests.conftest import EXAMPLE, credential_for, person, signed_in
from tests.test_sign_in import addresses

pytestmark = pytest.mark.parametrize("dialect", ["reference"])
HTMX = {"HX-Request": "true"}
# Stands in every text of the conversation that all this is about, and nowhere else; and what it is searched by.
MARK, WORD = "zebra", "okapi"
THREAD = f"/conversations/{EXAMPLE}/"
MESSAGE = f"{THREAD}messages/1/"
# What an address shows, to those who may read: something of the conversation, or nothing of any.
MATRIX: dict[str, str] = {
    "/": "nothing",
    "/conversations/": "it",
    "/conversations/fresh/": "it",
    "/conversations/selected/": "nothing",
    "/conversations/all-read/": "nothing",
    THREAD: "it",
    f"{THREAD}fresh/": "it",
    f"{THREAD}tickets/": "nothing",
    f"{THREAD}tickets/remove/": "nothing",
    f"{THREAD}print/": "it",
    f"{THREAD}bundle/": "it",
    f"{THREAD}star/": "nothing",
    f"{THREAD}standings/": "it",
    f"{THREAD}for-ticket.json": "it",
    MESSAGE: "it",
    f"{MESSAGE}evidence/": "it",
    f"{MESSAGE}evidence/keep/": "nothing",
    f"{MESSAGE}chart.png": "picture",
    f"{MESSAGE}charts/": "it",
    f"{MESSAGE}queries/1/": "it",
    f"{MESSAGE}queries/1.csv": "it",
    f"{MESSAGE}queries/1.svg": "it",
    f"{MESSAGE}queries/1-1.svg": "it",
    f"{MESSAGE}for-ticket.json": "it",
    f"/conversations/{EXAMPLE}.md": "it",
    f"/conversations/{EXAMPLE}.json": "it",
    f"/conversations/{EXAMPLE}.csv": "it",
    f"/conversations/{EXAMPLE}.html": "it",
    f"/conversations/{EXAMPLE}.zip": "picture",
    f"/jobs/{EXAMPLE}/": "nothing",
    f"/chat/{EXAMPLE}": "nothing",
    f"/chat/{EXAMPLE}/": "nothing",
    "/open": "nothing",
    "/open/": "nothing",
    "/insights/": "it",
    "/stored/": "nothing",
    "/credentials/": "nothing",
    "/credentials/connect/": "nothing",
    "/credentials/1/": "nothing",
    "/credentials/1/token/": "nothing",
    "/credentials/1/default/": "nothing",
    "/credentials/1/remove/": "nothing",
    "/credentials/1/sync/": "nothing",
    "/activity/": "nothing",
    "/activity/all/": "nothing",
    "/activity/all/csv/": "nothing",
    "/sign-in/": "nothing",
    "/sign-out/": "nothing",
    "/signed-out/": "nothing",
    "/appearance/": "nothing",
    "/admin/login/": "nothing",
    "/admin/logout/": "nothing",
    "/admin/password_change/": "nothing",
    "/demo/continue/": "nothing",
}
# Words of a question that would find it; and questions that find nothing, to be told apart by nobody else.
FINDS = [
    WORD,
    f'"{WORD} name"',
    f"{WORD[:3]}*",
    "in:query savanna",
    "-nosuchword",
    "owner:quagga",
    "topic:savanna",
    "has:chart",
    "has:rows",
    "has:ticket",
    "ticket:ABC-1",
    "asked:30d",
    "from:30d",
    "hour:12",
]


@pytest.fixture
def planted(small: Organization, small_omni: StandIn, analyst: Member) -> InOmni:
    """A conversation with an answer that has everything: a query, rows, a chart, a topic."""
    found = small.add_conversation(owner=analyst, name=f"{MARK} {WORD} name", turns=[])
    at = timezone.now().replace(hour=12) - timedelta(days=2)
    job = small.ask(found, f"{MARK} {WORD} question", f"{MARK} {WORD} answer", at=at)
    rows = [["Month", f"{MARK} orders"], ["2026-01", "10"], ["2026-02", "20"]]
    query = {"table": f"{MARK}_savanna", "fields": [f"{MARK}.savanna"]}
    job.actions = (Step("generate_query", f"{MARK} action", f"{MARK} savanna query", query, rows),)
    job.topic, job.chart = f"{MARK} savanna", True
    return found


def _credential(user: User, omni: StandIn, token: str) -> Client:
    credential_for(user, omni, token, label=f"Of {user.username}")
    return signed_in(user)


Cast = dict[str, Client]


@pytest.fixture
def cast(planted: InOmni, small: Organization, small_omni: StandIn, analyst: Member, owner: User) -> Cast:
    """Everybody, the readers first; whoever ever could read it has read it."""
    other = small.add_member(f"{MARK} Quagga", "q@small.example")
    found = {
        "owner": _credential(owner, small_omni, small.personal_token(analyst)),
        "organization key": _credential(person("lead"), small_omni, small.organization_key()),
    }
    rejected, removed, late, leaver = (person(name) for name in ("rejected", "removed", "late", "leaver"))
    for user in (rejected, removed, late, leaver):
        found[user.username] = _credential(user, small_omni, small.personal_token(analyst))
    for client in found.values():
        client.get("/conversations/")
        client.get(f"/conversations/{planted.id}/?ticket=ABC-1")
        client.get(f"/conversations/{planted.id}/messages/2/evidence/")
    tasks.nudge_sync()
    work()
    ApiToken.objects.filter(credentials__owner=rejected).update(rejected_at=timezone.now())
    mine = Credential.objects.get(owner=removed)
    assert found["removed"].post(f"/credentials/{mine.pk}/remove/").status_code == 302
    assert not Credential.objects.filter(owner=removed).exists()
    # What was done is said once.
    found["removed"].get("/credentials/")
    long_ago = timezone.now() - timedelta(days=8)
    of_late = Access.objects.filter(api_token__credentials__owner=late)
    of_late.update(confirmed_at=long_ago, listed_at=long_ago)
    User.objects.filter(pk=leaver.pk).update(is_active=False)
    found["colleague"] = _credential(person("colleague"), small_omni, small.personal_token(other))
    found["no credential"] = signed_in(person("nobody"))
    User.objects.create_user("staff", password="x", is_staff=True, is_superuser=True)
    found["staff"] = signed_in(User.objects.get(username="staff"))
    found["signed out"] = Client()
    return found


@pytest.fixture
def elsewhere(cast: Cast, dialect: str) -> Iterator[StandIn]:
    """An organization key of another organization, on an instance of its own."""
    organization = Organization("other-org")
    with StandIn(organization, dialect=dialect, rate_per_minute=10_000) as omni:
        cast["another organization"] = _credential(person("elsewhere"), omni, organization.organization_key())
        yield omni


READERS = ("owner", "organization key")


def _real(address: str, conversation: UUID, job: UUID, credential: int, position: int = 2) -> str:
    address = address.replace("messages/1/", f"messages/{position}/")
    address = address.replace("/credentials/1/", f"/credentials/{credential}/")
    return address.replace(EXAMPLE, str(job if address.startswith("/jobs/") else conversation))


def _bytes(answer: Any) -> bytes:
    body = bytes(b"".join(answer.streaming_content) if answer.streaming else answer.content)
    if zipfile.is_zipfile(io.BytesIO(body)):
        archive = zipfile.ZipFile(io.BytesIO(body))
        body += b"".join(name.encode() + archive.read(name) for name in archive.namelist())
    return body + repr(sorted(answer.headers.items())).encode()


def _plain(answer: Any, *ids: object) -> str:
    """A page without what differs by its own address, by the moment, and from one request to the next."""
    text = _bytes(answer).decode(errors="replace")
    for found in ids:
        text = text.replace(str(found), "ID")
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"|X-Request-ID\', \'[^\']+', "", text)
    return re.sub(r"\b\d\d:\d\d(:\d\d(\.\d+)?)?\b|\b\d+(\.\d+)? seconds?|data-again-in=\"[^\"]*\"", "", text)


def test_every_address_stands_in_the_matrix(db: None, dialect: str) -> None:
    assert set(MATRIX) == set(addresses())


def test_who_may_read_it_reads_it_everywhere(cast: Cast, planted: InOmni, owner: User) -> None:
    """Else the rest of this would prove nothing."""
    credential = Credential.objects.get(owner=owner).pk
    for who in READERS:
        for address, kind in MATRIX.items():
            if kind == "nothing":
                continue
            path = _real(address, planted.id, planted.jobs[0].id, credential)
            query = {"looks": "1", "count": "9"} if "fresh" in path or "standings" in path else {}
            got = _bytes(cast[who].get(path, query)) + _bytes(cast[who].get(path, query, headers=HTMX))
            if kind == "picture":
                assert b"image/png" in got or b"application/zip" in got, (who, path)
            else:
                assert MARK.encode() in got, (who, path)


def test_nobody_else_reads_anything_of_it(
    cast: Cast, elsewhere: StandIn, planted: InOmni, owner: User, small_omni: StandIn
) -> None:
    credential, job = Credential.objects.get(owner=owner).pk, planted.jobs[0].id
    before = _marks()
    others = [who for who in cast if who not in READERS]
    assert len(others) == 9
    tried = 0
    for who in others:
        if who == "late":
            small_omni.fail(Fault.status(503), path="")
        for address in MATRIX:
            path = _real(address, planted.id, job, credential)
            for ask in _ways(cast[who], address, planted.id):
                answer = ask(path)
                got = _bytes(answer)
                assert MARK.encode() not in got, (who, path)
                assert "ETag" not in answer.headers, (who, path)
                # Staff are told in the audit log who read what, and everybody what they did themselves.
                if EXAMPLE not in address and who != "staff" and address != "/activity/":
                    assert str(planted.id).encode() not in got, (who, path)
                tried += 1
        if who == "late":
            small_omni.recover()
    print(f"{tried} answers to {len(others)} people at {len(MATRIX)} addresses: none of them with anything of it")  # noqa: T201
    assert tried > 1500
    assert _marks() == before
    assert Credential.objects.get(owner=owner).pk == credential


def _ways(client: Client, address: str, conversation: UUID) -> list[Callable[[str], Any]]:
    """By page, by fragment, by form. Signing out would end what is tried; the demo's door lets anybody be somebody."""
    sent = {"starred": "1", "ticket": "ABC-2", "do": "export", "next": "/", "label": "Mine", "looks": "1"}
    ways: list[Callable[[str], Any]] = [
        client.get,
        lambda path: client.get(path, {"looks": "1", "refresh": "1"}, headers=HTMX),
        client.head,
    ]
    if address not in ("/sign-out/", "/admin/logout/", "/demo/continue/", "/admin/login/", "/sign-in/"):
        ways.append(lambda path: client.post(path, {**sent, "conversation": [str(conversation), "1", "2"]}))
        ways.append(lambda path: client.post(path, sent, headers=HTMX))
    return ways


def _marks() -> list[int]:
    """What forms leave behind on a conversation."""
    return [model.objects.count() for model in (Star, TicketReference, Capture, Visit)]


def test_what_is_not_shown_and_what_is_not_there_are_the_same(
    cast: Cast, elsewhere: StandIn, planted: InOmni, owner: User
) -> None:
    credential, job = Credential.objects.get(owner=owner).pk, planted.jobs[0].id
    compared = 0
    for who in ("colleague", "another organization", "rejected", "removed", "no credential", "staff", "signed out"):
        for address in MATRIX:
            if EXAMPLE not in address:
                continue
            nowhere, no_job = uuid4(), uuid4()
            for headers in ({}, HTMX):
                mine = cast[who].get(_real(address, planted.id, job, credential), headers=headers)
                theirs = cast[who].get(_real(address, nowhere, no_job, credential), headers=headers)
                assert mine.status_code == theirs.status_code, (who, address)
                assert _plain(mine, planted.id, job) == _plain(theirs, nowhere, no_job), (who, address)
                compared += 1
    assert compared > 300


def test_no_question_tells_of_it(cast: Cast, elsewhere: StandIn) -> None:
    """No count, no row, no coverage, no owner among the controls: as if it were not kept here."""
    for who in ("colleague", "another organization"):
        for typed in FINDS:
            for path in ("/conversations/", "/insights/"):
                query = {"q": typed} if path == "/conversations/" else {"period": "all", "owner": typed}
                page = _bytes(cast[who].get(path, query)).decode()
                assert MARK not in page, (who, typed)
                assert not re.search(r"\b[1-9][0-9,]* (conversation|question)", page), (who, typed)
                assert not re.search(r"of [1-9][0-9,]* (read|conversations)", page), (who, typed)
                assert 'class="row-title"' not in page


def test_who_is_deactivated_in_the_middle_is_out_at_once(cast: Cast, planted: InOmni, owner: User) -> None:
    assert cast["owner"].get(f"/conversations/{planted.id}/").status_code == 200
    User.objects.filter(pk=owner.pk).update(is_active=False)
    for path in (f"/conversations/{planted.id}/", "/conversations/", f"/conversations/{planted.id}.json"):
        answer = cast["owner"].get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in/")
    assert Session.objects.exists()


def test_past_its_time_omni_is_asked_again_and_its_no_counts(
    cast: Cast, planted: InOmni, small: Organization, small_omni: StandIn
) -> None:
    small.revoke(Credential.objects.get(owner__username="late").api_token.token.reveal())
    small_omni.requests.clear()
    answer = cast["late"].get(f"/conversations/{planted.id}/")
    assert answer.status_code == 403
    assert MARK.encode() not in _bytes(answer)
    assert small_omni.requests


# By what is known of it ----------------------------------------------------------------------------------------

# A marker for each kind of text in a conversation, and a word beside it by which the search would find that.
TEXTS = ("name", "last question", "question", "answer", "topic", "query name", "query field", "row cell")
EARLIER = ("earlier name", "earlier question", "earlier answer")
_ROW, _MESSAGES = {"name", "last question"}, {"question", "answer"}
_EVIDENCE = {"topic", "query name", "query field", "row cell", "chart"}
# Kinds that each reader may be shown.
TOLD: dict[str, set[str]] = {
    "from the start": _ROW | _MESSAGES | _EVIDENCE | {"earlier question", "earlier answer"},
    "listed only": _ROW,
    "thread without job": _ROW | _MESSAGES,
    "later token": _ROW | _MESSAGES | _EVIDENCE,
}
PNG = b"\x89PNG\r\n"


def _marker(kind: str) -> str:
    return "zebra" + kind.title().replace(" ", "")


def _word(kind: str) -> str:
    return "okapi" + kind.replace(" ", "")


def _text(kind: str) -> str:
    return f"{_marker(kind)} {_word(kind)}"


def _kinds(answer: Any) -> set[str]:
    """Return the kinds of text whose markers an answer holds; a chart is a picture, or one within a page."""
    got = _bytes(answer)
    found = {kind for kind in (*TEXTS, *EARLIER) if _marker(kind).encode() in got}
    return found | {"chart" for picture in (PNG, b"data:image/png") if picture in got}


@pytest.fixture
def told(small: Organization, small_omni: StandIn, analyst: Member, owner: User) -> tuple[InOmni, Cast]:
    """A conversation that was reworded after its owner had read all of it, and who came to it later."""
    found = small.add_conversation(owner=analyst, name=_text("earlier name"), turns=[])
    at = timezone.now().replace(hour=12) - timedelta(days=2)
    job = small.ask(found, _text("earlier question"), _text("earlier answer"), at=at)
    rows = [["Month", "Orders"], [_text("row cell"), "10"], ["2026-02", "20"]]
    query = {"table": "orders", "fields": [f"orders.{_word('query field')} {_marker('query field')}"]}
    job.actions = (Step("generate_query", "Counting", _text("query name"), query, rows),)
    job.topic, job.chart = _text("topic"), True
    small.ask(found, _text("last question"), "Some.", at=at + timedelta(minutes=5))
    cast = {"from the start": _credential(owner, small_omni, small.personal_token(analyst))}
    _read(cast["from the start"], found)
    # A redaction at Omni, which the job's own prompt follows, and another name.
    found.name, found.messages[0].text, found.messages[1].text = _text("name"), _text("question"), _text("answer")
    job.prompt, found.updated_at = _text("question"), found.updated_at + timedelta(minutes=1)
    _read(cast["from the start"], found)
    tokens = {who: small.personal_token(analyst) for who in TOLD if who not in cast}
    small.permissions.deny("thread", token=tokens["listed only"], status=403)
    small.permissions.deny("job", "result", "chart", token=tokens["thread without job"])
    for who, token in tokens.items():
        cast[who] = _credential(person(who), small_omni, token)
        _read(cast[who], found)
    return found, cast


def _read(client: Client, found: InOmni) -> None:
    client.get("/conversations/?refresh=1")
    client.get(f"/conversations/{found.id}/?refresh=1")
    client.get(f"/conversations/{found.id}/messages/2/evidence/")
    tasks.nudge_sync()
    work()


def test_each_reader_is_told_what_their_own_token_was_by_its_own_route(told: tuple[InOmni, Cast], owner: User) -> None:
    """Each kind of text that a reader may be shown appears to them somewhere; of the other kinds, none anywhere."""
    found, cast = told
    job, credential = found.jobs[0].id, Credential.objects.get(owner=owner).pk
    for who, allowed in TOLD.items():
        appeared: set[str] = set()
        addresses = list(MATRIX) + [row.replace("messages/1/", "messages/one/") for row in MATRIX if MESSAGE in row]
        for address in addresses:
            path = _real(address, found.id, job, credential).replace("messages/one/", "messages/1/")
            # The owner's forms would end what is tried, and what may be read has been shown to be read by others.
            ways = _ways(cast[who], address, found.id)[: 3 if who == "from the start" else None]
            for ask in ways:
                kinds = _kinds(ask(path))
                assert kinds <= allowed, (who, path, kinds - allowed)
                appeared |= kinds
        for typed in FINDS:
            for path, query in (("/conversations/", {"q": typed}), ("/insights/", {"period": "all", "owner": typed})):
                kinds = _kinds(cast[who].get(path, query, headers=HTMX)) | _kinds(cast[who].get(path, query))
                assert kinds <= allowed, (who, typed, kinds - allowed)
                appeared |= kinds
        assert appeared == allowed, (who, allowed - appeared)


# Questions to the search, each with the kind of text by which it finds the conversation.
_SOUGHT = {
    **{_word(kind): kind for kind in (*TEXTS, *EARLIER) if kind not in ("topic", "row cell")},
    f"in:query {_word('query name')}": "query name",
    f"in:query {_word('query field')[:12]}*": "query field",
    f"in:question {_word('question')}": "question",
    f"in:answer {_word('answer')}": "answer",
    f'"{_text("answer")}"': "answer",
    f"topic:{_word('topic')}": "topic",
    "has:chart": "chart",
    "has:rows": "row cell",
    "state:answered": "answer",
    "asked:30d": "question",
    "hour:12": "question",
}


def test_the_search_finds_it_by_what_its_reader_may_be_shown(told: tuple[InOmni, Cast]) -> None:
    _found, cast = told
    for who, allowed in TOLD.items():
        for typed, kind in _SOUGHT.items():
            page = cast[who].get("/conversations/", {"q": typed}).content.decode()
            # Earlier wordings are no part of the search.
            is_found = kind in allowed and kind not in EARLIER
            assert ('class="row-title"' in page) is is_found, (who, typed)


# By the time it takes ---------------------------------------------------------------------------------------

TRIES = 2000
WARMING_UP = 40


def _kept(like: UUID, number: int) -> list[UUID]:
    """As many more that the site keeps, with their messages, and that the same people were shown."""
    pattern = Conversation.objects.get(omni_id=like)
    messages, accesses = list(pattern.messages.all()), list(pattern.accesses.all())
    rows: list[Message | Access] = [*messages, *accesses]
    for _ in range(number):
        pattern.pk, pattern.omni_id, pattern.indexed_as, pattern._state.adding = None, uuid4(), None, True
        pattern.save()
        for row in rows:
            row.pk, row.conversation = None, pattern
        Message.objects.bulk_create(messages)
        Access.objects.bulk_create(accesses)
    return list(Conversation.objects.exclude(omni_id=like).values_list("omni_id", flat=True))


def test_not_yours_and_not_there_take_the_same_time(cast: Cast, planted: InOmni) -> None:
    """2,000 tries: whoever guesses by the time alone which of the two it was is right no more often than by chance.

    Each is asked for once: that the same person asked for it before is no secret from them, and saves a row.

    The area under the ROC curve, which is the share of pairs that are ordered rightly: 0.5 is chance, and four standard
    deviations of the Mann-Whitney statistic are what is let through.
    """
    client, draw = cast["colleague"], random.Random(11)  # noqa: S311
    each = (TRIES + WARMING_UP) // 2
    kept = _kept(planted.id, each)
    # Two by two, whichever first: what becomes slower by and by does so for both.
    pairs = [[(True, found), (False, uuid4())] for found in kept]
    tries = [one for pair in pairs for one in draw.sample(pair, 2)]
    assert len(tries) == TRIES + WARMING_UP
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number, (is_there, conversation) in enumerate(tries):
        began = time.perf_counter()
        answer = client.get(f"/conversations/{conversation}/")
        took = time.perf_counter() - began
        assert answer.status_code == 404
        if number >= WARMING_UP:
            taken[is_there].append(took)
    share = _ordered(taken[True], taken[False])
    most = 4 * ((TRIES + 1) / (12 * len(taken[True]) * len(taken[False]))) ** 0.5
    medians = [1000 * statistics.median(rows) for rows in taken.values()]
    print(f"{TRIES} tries: {share:.3f} ordered rightly; medians {medians[0]:.2f} and {medians[1]:.2f} ms")  # noqa: T201
    assert abs(share - 0.5) < most


def _ordered(first: list[float], second: list[float]) -> float:
    ranked = sorted([(took, True) for took in first] + [(took, False) for took in second])
    ranks = sum(rank for rank, (_, is_first) in enumerate(ranked, start=1) if is_first)
    return (ranks - len(first) * (len(first) + 1) / 2) / (len(first) * len(second))
