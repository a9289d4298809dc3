"""Search results: the same queries on SQLite and on PostgreSQL."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import escape, unescape
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker, Settings

from conversations import tasks
from conversations.models import Conversation, Job, Walk
from conversations.search import documents, finder, index
from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread, work
from tests.conftest import credential_for, person, signed_in, taken_back, text_of
from tests.corpus import BEGAN, LONG_TAIL, NONSENSE, QUERIES, TOLD, fill


@dataclass(frozen=True)
class Library:
    """Conversations to search, and the reader of all of them."""

    organization: Organization
    omni: StandIn
    ben: Member
    reader: User
    made: dict[str, InOmni]


@pytest.fixture(scope="module")
def library(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Library]:
    """Read the corpus in the background with an organization key, and store its evidence.

    Stored once for all tests of this file, each of which rolls back what it does.
    """
    organization = Organization("small-org")
    ann = organization.add_member("Ann Analyst", "ann@small.example")
    ben = organization.add_member("Ben Buyer", "ben@small.example")
    made = fill(organization, ann, ben)
    with (
        django_db_blocker.unblock(),
        StandIn(organization, rate_per_minute=10_000) as omni,
        taken_back(),
    ):
        # The evidence is still available in Omni.
        omni._now = BEGAN + timedelta(days=10)
        library = Library(organization, omni, ben, person("searcher"), made)
        with override_settings(SYNC="all"):
            _read_all(library)
        yield library


def _read_all(library: Library) -> None:
    credential_for(library.reader, library.omni, library.organization.organization_key())
    client = signed_in(library.reader)
    client.get("/conversations/")
    tasks.nudge_sync()
    work()
    for told in TOLD:
        if told.topic or told.ticket:
            client.get(f"{thread(library.made[told.key])}?ticket={told.ticket}")
            client.get(f"{thread(library.made[told.key])}messages/2/evidence/")
        if told.has_chart:
            client.get(f"{thread(library.made[told.key])}messages/2/chart.png")
    documents.refresh(seconds=10)


@pytest.fixture
def corpus(library: Library, db: None, settings: Settings) -> Iterator[dict[str, InOmni]]:
    """Return the library's conversations by key; a test may add to them."""
    settings.SYNC = "all"
    before = {key: (list(row.messages), row.updated_at) for key, row in library.made.items()}
    yield library.made
    for key, row in library.made.items():
        row.messages[:], row.updated_at = before[key]


@pytest.fixture
def searcher(library: Library, db: None) -> User:
    return library.reader


def found_by(client: Client, typed: str) -> list[str]:
    """Return the ids on all pages of the results."""
    address, ids = f"/conversations/?q={quote(typed)}", []
    for _ in range(20):
        answer = client.get(address)
        assert answer.status_code == 200, (typed, answer.status_code)
        page = text_of(answer)
        ids += re.findall(r'class="row-title" href="/conversations/([0-9a-f-]{36})/', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        if not older:
            return ids
        address = "/conversations/" + unescape(older[1])
    pytest.fail("the pages do not end")


@pytest.mark.slow
def test_it_works(corpus: dict[str, InOmni], searcher: User) -> None:
    assert len(QUERIES) >= 60
    keys = {str(row.id): key for key, row in corpus.items()}
    client = signed_in(searcher)
    wrong = {}
    for typed, expected in QUERIES.items():
        ids = found_by(client, typed)
        found = {keys.get(found, "filling") for found in ids}
        if found != expected or len(ids) != len(set(ids)):
            wrong[typed] = found
    assert wrong == {}


@pytest.mark.slow
def test_what_makes_no_sense_is_said_and_never_fails(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    silent = []
    for typed in NONSENSE:
        answer = client.get("/conversations/", {"q": typed})
        assert answer.status_code == 200, typed
        page = text_of(answer)
        said = 'class="notice" role="status"' in page or "No matches" in page or "<mark>" in page
        if not said and typed.strip("\0 \n\r\t"):
            silent.append(typed)
    assert silent == []


@hypothesis_settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(max_size=80) | st.text(alphabet="ab \"*-:().{}'退é", max_size=40))
@pytest.mark.slow
def test_no_text_is_an_error(reads: Client, typed: str) -> None:
    answer = reads.get("/conversations/", {"q": typed})
    assert answer.status_code in (200, 302)


def test_an_answer_shows_the_words_where_they_stand(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    page = text_of(client.get("/conversations/?q=strasse"))
    assert "Die <mark>Straße</mark> am Fluß" in page
    address = re.search(r'href="(/conversations/[^"]+/messages/2/[^"]*)"', page)
    assert address
    message = text_of(client.get(unescape(address[1])))
    assert "Die <mark>Straße</mark> am Fluß" in message
    assert 'id="message-2" tabindex="-1" autofocus' in message
    assert "1 match here" in message


def test_what_is_found_far_down_is_shown(corpus: dict[str, InOmni], searcher: User) -> None:
    page = text_of(signed_in(searcher).get(f"/conversations/?q={LONG_TAIL}"))
    assert f"the last word is <mark>{LONG_TAIL}</mark> indeed" in page


def test_markup_is_text_in_what_is_found(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    page = text_of(client.get("/conversations/?q=alert+onerror"))
    assert "&lt;img src=x <mark>onerror</mark>=<mark>alert</mark>(1)&gt;" in page
    assert "<img src=x" not in page
    shown = text_of(client.get(f"{thread(corpus['markup'])}?q=alert+onerror"))
    assert "<mark>alert</mark>(1)" in shown
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown


def test_queries_are_shown_where_no_message_holds_the_words(corpus: dict[str, InOmni], searcher: User) -> None:
    page = text_of(signed_in(searcher).get("/conversations/?q=delivered_at"))
    assert 'row-role">Query</span>' in page
    assert "Late ones: order_items. Fields: order_items.<mark>delivered_at</mark>." in page


def test_a_query_that_was_found_is_opened_and_marked(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    for typed, marked in (
        ("delivered_at", "<code>order_items.<mark>delivered_at</mark></code>"),
        ("ones", "Late <mark>ones</mark>"),
    ):
        page = text_of(client.get(f"/conversations/?q={typed}"))
        address = re.search(r'<a href="([^"]+)"> ?<span class="row-role">Query</span>', page)
        assert address
        assert address[1] == f"{thread(corpus['fields'])}messages/2/queries/1/?q={typed}"
        query = text_of(client.get(unescape(address[1])))
        assert marked in query
        assert '<div class="query-fields">' in query
    # A match only in the query's JSON opens the JSON; our own labels are not marked.
    query = text_of(client.get(f"{thread(corpus['fields'])}messages/2/queries/1/?q=table"))
    assert '<details class="query-json" open>' in query
    assert "<dt>Table</dt>" in query
    query = text_of(client.get(f"{thread(corpus['fields'])}messages/2/queries/1/"))
    assert "<mark>" not in query
    assert '<details class="query-json">' in query


MARKDOWN = """# The **Okapi** report

| Region | Animals | [Source](https://example.com/a_(b)) |
|---|---:|---|
| North | 12 okapis | `zoo_count` |
| South | | *wild* |

1. See `okapi.total` and snake_case_name, 2 * 3 \\*so\\*.
"""


def test_a_snippet_of_an_answer_is_plain_text(reads: Client, small: Organization, analyst: Member) -> None:
    long = small.add_conversation(
        owner=analyst, name="Zoo", turns=[("Any *okapi*?", MARKDOWN + "line\n" * 9000 + "the **addax**, `x`")]
    )
    reads.get("/conversations/")
    reads.get(thread(long))

    def snippets(typed: str) -> list[str]:
        page = text_of(reads.get("/conversations/", {"q": typed}))
        found = re.findall(r'<span class="row-role">\w+ #\d</span> <span dir="auto">(.*?)</span> ?</a>', page)
        return [unescape(re.sub("</?mark>", "", one)) for one in found]

    # A question's snippet shows it as typed.
    asked, told = snippets("okapi")
    assert asked == "Any *okapi*?"
    assert told.startswith("The Okapi report Region · Animals · Source; North · 12 okapis · zoo_count; South · wild;")
    assert "South · wild; 1. See okapi.total and snake_case_name, 2 * 3 *so*. line" in snippets("snake_case_name")[0]
    assert re.fullmatch("… (line )+the addax, x", snippets("addax")[0])
    # A snippet shows a link's address only if the match is in the address.
    assert "(https://example.com/a_(b))" in snippets("example.com")[0]


def test_beginnings_are_tried_where_nothing_is_found_and_it_is_said(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    page = text_of(client.get("/conversations/?q=bavar+lead+-draft"))
    assert "No exact matches. Showing words that begin with “bavar” and “lead”." in page
    assert "<mark>Bavaria</mark> <mark>leads</mark>" in page
    assert "1 conversation<" in page
    # Results open threads with the search query, and threads lead back to the results.
    address = re.search(r'class="row-title" href="([^"]+)"', page)
    assert address
    shown = text_of(client.get(unescape(address[1])))
    assert "<mark>Bavaria</mark> <mark>leads</mark>" in shown
    for typed in ("bavaria", "bavar*", "bavar owner:ann", "b", "nosuchwordanywhere"):
        assert "No exact matches" not in text_of(client.get("/conversations/", {"q": typed})), typed


def test_another_form_of_a_word_is_found_and_it_is_said(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    page = text_of(client.get("/conversations/?q=leading"))
    assert "No exact matches. Showing words that begin with “lead”." in page
    assert "<mark>leads</mark>" in page


def test_what_begins_so_goes_over_pages(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    assert len(found_by(client, "percen")) == len(found_by(client, "percent")) == 60


def test_a_filter_that_was_left_out_hides_nothing(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    everything = found_by(client, "")
    for typed in ("from:soon", "state:broken", "-on:today", "topic:***", "hour:99 weekday:xyz"):
        assert found_by(client, typed) == everything, typed
        assert "was ignored" in text_of(client.get("/conversations/", {"q": typed})), typed
    assert found_by(client, "returns from:soon") == [str(corpus["returns"].id)]
    assert found_by(client, "***") == []


def test_how_a_date_was_read_is_said(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    returns = str(corpus["returns"].id)
    for typed in (
        "on:02.03.2026",
        "on:03/02/2026",
        "on:2 March 2026",
        'on:"Mar 2, 2026"',
        "on: 2026/03/02",
        "on:20260302",
    ):
        assert found_by(client, f"returns {typed}") == [returns], typed
    page = text_of(client.get("/conversations/?q=returns+on:03/02/2026"))
    assert "“03/02/2026” was read as 2 March 2026. Between slashes the month comes first" in page
    assert '<bdi class="chip-meaning">2 March 2026</bdi>' in page
    page = text_of(client.get("/conversations/?q=returns+on:02.03.2026"))
    assert "was read as" not in page
    assert '<bdi class="chip-meaning">2 March 2026</bdi>' in page


def test_an_owner_is_meant_by_the_beginning_of_a_name(
    small: Organization, small_omni: StandIn, colleague: User
) -> None:
    people = {
        "Ana Silva": "ana.silva@small.example",
        "Sathya Venkatanarasimha": "sv@small.example",
        "Mariana Costa": "mc@small.example",
        "Jo Banana": "anabel@small.example",
        "José Łukasiński": "jl@small.example",
        "王小明": "wang@small.example",
        "Ana-Maria O'Neil": "amo@small.example",
    }
    for name, email in people.items():
        small.add_conversation(owner=small.add_member(name, email), name=f"Of {name}", turns=[("How many?", "Ten.")])
    credential_for(colleague, small_omni, small.organization_key())
    client = signed_in(colleague)
    client.get("/conversations/")
    for made in small.conversations:
        client.get(thread(made))
    meant = {
        "ana": {"Ana Silva", "Jo Banana", "Ana-Maria O'Neil"},
        "ANA SILVA": {"Ana Silva"},
        "silva ana": {"Ana Silva"},
        "sil": {"Ana Silva"},
        "ana.silva@small.example": {"Ana Silva"},
        "venkata": {"Sathya Venkatanarasimha"},
        "lukas": {"José Łukasiński"},
        "jose": {"José Łukasiński"},
        "小明": {"王小明"},
        "王": {"王小明"},
        "o'neil": {"Ana-Maria O'Neil"},
        "maria": {"Ana-Maria O'Neil", "Mariana Costa"},
        "small.example": set(),
        "@": set(),
        "narasimha": set(),
    }
    for typed, names in meant.items():
        page = text_of(client.get("/conversations/", {"q": f'owner:"{typed}"'}))
        assert {name for name in people if f">Of {escape(name, quote=False)}</a>" in page} == names, typed
        assert ("is called" in page) is not bool(names), typed
    chip = r'<bdi class="chip-meaning">([^<]*)</bdi>'
    said = {
        typed: re.findall(chip, text_of(client.get("/conversations/", {"q": f"owner:{typed}"})))
        for typed in ("ana", "sil", "zoe")
    }
    assert said == {"ana": ["Ana Silva, Ana-Maria O'Neil, Jo Banana"], "sil": ["Ana Silva"], "zoe": ["no such person"]}


def test_a_filter_is_a_control_too(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    answer = client.get("/conversations/?q=revenue+state:failed&state=answered&topic=order+items&since=2026-01")
    assert answer["Location"] == "/conversations/?" + "q=" + quote(
        'revenue state:answered topic:"order items" from:2026-01', safe=""
    ).replace("%20", "+")
    page = text_of(client.get(answer["Location"]))
    assert '<option value="answered" selected>Answered' in page
    assert 'name="topic" value="order items"' in page
    assert 'name="since" value="2026-01"' in page
    assert "Remove Topic: order items" in page


def test_dates_are_the_readers_own(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    returns = str(corpus["returns"].id)
    assert found_by(client, "on:2026-03-02 returns") == [returns]
    assert found_by(client, "on:2026-03 returns") == [returns]
    assert found_by(client, "on:2026-Q1 returns") == [returns]
    assert found_by(client, "from:2026-03-03 returns") == []
    assert found_by(client, "to:2026-03-01 returns") == []
    assert found_by(client, "from:2026-03-02 to:2026-03-02 returns") == [returns]
    assert found_by(client, "hour:8 weekday:mon returns") == [returns]
    client.cookies["time_zone"] = "America%2FLos_Angeles"
    assert found_by(client, "hour:0 on:2026-03-02 returns") == [returns]


def test_the_newest_come_first_or_last(corpus: dict[str, InOmni], library: Library, searcher: User) -> None:
    client = signed_in(searcher)
    everything = [str(row.id) for row in library.organization.conversations]
    assert found_by(client, "-nosuchword") == everything
    address = "/conversations/?q=-nosuchword&sort="
    for order, key in (("oldest", lambda row: row.updated_at), ("started", lambda row: -row.created_at.timestamp())):
        expected = [str(row.id) for row in sorted(library.organization.conversations, key=key)][:50]
        page = text_of(client.get(address + order))
        assert re.findall(r'class="row-title" href="/conversations/([0-9a-f-]{36})/', page) == expected, order


def test_stars_and_what_is_unread_are_the_readers_own(
    corpus: dict[str, InOmni], library: Library, searcher: User, owner: User
) -> None:
    credential_for(owner, library.omni, library.organization.organization_key())
    client, other = signed_in(searcher), signed_in(owner)
    returns = corpus["returns"]
    client.post(f"{thread(returns)}star/", {"starred": "1"})
    assert found_by(client, "is:starred") == [str(returns.id)]
    assert found_by(client, "-is:starred returns") == []
    assert found_by(other, "is:starred") == []
    assert found_by(client, "is:unread") == []


def test_nobody_finds_what_omni_does_not_show_them(corpus: dict[str, InOmni], library: Library, stranger: User) -> None:
    """Ben's own token shows Ben's conversations; of the others no row, no count, no snippet, no name."""
    credential_for(stranger, library.omni, library.organization.personal_token(library.ben))
    client = signed_in(stranger)
    client.get("/conversations/")
    for typed in ("returns", "topic:customers", "state:failed", "has:ticket", "ticket:ABC-123", "owner:ann", "cafe"):
        page = text_of(client.get("/conversations/", {"q": typed}))
        assert "No matches" in page, typed
        assert "0 conversations" in page, typed
    assert found_by(client, "revenue") == [str(corpus["revenue"].id)]
    answer = client.get(f"{thread(corpus['returns'])}?q=returns")
    assert answer.status_code == 404
    # Neighbours in a thread that they may read reveal nothing either.
    page = text_of(client.get(f"{thread(corpus['revenue'])}?q=revenue"))
    assert 'rel="next"' not in page
    assert "draft" not in page.replace("Revenue draft", "") or "Revenue draft" not in page


@pytest.mark.parametrize("few_rows", [3, finder.FEW_ROWS])
def test_what_others_may_read_is_not_even_looked_at(
    few_rows: int,
    corpus: dict[str, InOmni],
    library: Library,
    stranger: User,
    searcher: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Otherwise the time would reveal other people's conversations, even to readers of thousands."""
    credential_for(stranger, library.omni, library.organization.personal_token(library.ben))
    client = signed_in(stranger)
    client.get("/conversations/")
    own = Conversation.objects.filter(accesses__api_token__credentials__owner=stranger)
    assert own.count() == 31
    keys = set(own.values_list("indexed_as", flat=True))
    looked_at: list[set[int]] = []
    given: list[list[int] | None] = []

    def matching(*words: Any, within: list[int] | None = None, **named: Any) -> list[int]:
        everything = Conversation.objects.values_list("indexed_as", flat=True)
        looked_at.append({key for key in (everything if within is None else within) if key is not None})
        given.append(within)
        return searching_matching(*words, within=within, **named)

    searching_matching = index.matching
    monkeypatch.setattr(index, "matching", matching)
    monkeypatch.setattr(finder, "FEW_ROWS", few_rows)
    for address in ("how", "returns", "how -shipment", "state:failed", "owner:me how", "how&sort=started", "cafe*"):
        page = text_of(client.get(f"/conversations/?q={address}"))
        assert "conversations" in page
    client.get(f"{thread(corpus['revenue'])}?q=how")
    assert len(looked_at) >= 7
    assert all(keys >= found for found in looked_at)
    # For a reader of the whole archive, the index is searched without a list of conversations.
    index.remove_unused()
    monkeypatch.setattr(index, "FEWEST_TO_COUNT", 1)
    given.clear()
    signed_in(searcher).get("/conversations/?q=how")
    assert None in given


def test_what_ends_is_not_found_any_more(
    corpus: dict[str, InOmni], library: Library, searcher: User, settings: Settings
) -> None:
    client = signed_in(searcher)
    assert found_by(client, "returns")
    Credential.objects.get().api_token.accesses.all().end_rows()
    assert found_by(client, "returns") == []


def test_next_and_previous_stay_within_what_was_searched_for(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    ids = found_by(client, "revenue")
    page = text_of(client.get(f"/conversations/{ids[0]}/?q=revenue"))
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following
    assert following[1] == f"/conversations/{ids[1]}/?q=revenue"
    assert 'rel="prev"' not in page
    back = text_of(client.get(unescape(following[1])))
    assert f'rel="prev" href="/conversations/{ids[0]}/?q=revenue"' in back
    assert 'rel="next"' not in back
    assert 'class="back" href="/conversations/?q=revenue#row-' in back


def test_what_is_new_is_found_at_once(corpus: dict[str, InOmni], library: Library, searcher: User) -> None:
    client = signed_in(searcher)
    returns = corpus["returns"]
    library.organization.ask(returns, "And the axolotl?", "None.", at=returns.updated_at)
    assert found_by(client, "axolotl") == []
    client.get(f"{thread(returns)}?refresh=1")
    assert found_by(client, "axolotl") == [str(returns.id)]


def test_what_is_removed_leaves_nothing_behind(corpus: dict[str, InOmni], searcher: User) -> None:
    client = signed_in(searcher)
    kept = list(Conversation.objects.values_list("indexed_as", flat=True))
    assert len(kept) == len(corpus) + 60
    client.post(f"/credentials/{Credential.objects.get().pk}/remove/")
    assert not Conversation.objects.exists()
    assert not Job.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT rowid FROM conversations_words")
        assert not {row[0] for row in cursor.fetchall()} & set(kept)


def test_a_title_opens_the_conversation_at_its_first_match(reads: Client, small: Organization, analyst: Member) -> None:
    turns = [("Of what?", "Of seals."), ("How many walrus?", "Two walrus, one narwhal."), ("Narwhal?", "One.")]
    made = small.add_conversation(owner=analyst, name="Dugong counts", turns=turns)
    lone = small.add_conversation(owner=analyst, name=None, turns=[("Manatees in May?", "Nine.")])
    reads.get("/conversations/")
    reads.get(thread(made))
    reads.get(thread(lone))

    def opened(typed: str) -> str:
        [address] = re.findall(
            r'class="row-title" href="([^"?]+)[^"]*"', text_of(reads.get("/conversations/", {"q": typed}))
        )
        return str(address)

    assert opened("walrus") == f"{thread(made)}messages/3/"
    assert opened("narwhal one") == f"{thread(made)}messages/4/"
    assert opened("dugong narwhal") == f"{thread(made)}messages/4/"
    assert opened("dugong") == opened("dugong counts") == opened("dugong in:name") == thread(made)
    assert opened("state:answered seals -manatees") == f"{thread(made)}messages/2/"
    assert opened("manatees") == thread(lone)
    assert opened("nine") == f"{thread(lone)}messages/2/"
    [address] = re.findall(r'class="row-title" href="([^"]+)"', text_of(reads.get("/conversations/?q=nine")))
    page = text_of(reads.get(unescape(address)))
    assert re.search(r'<article class="message answer is-focused" id="message-2"', page)
    assert "<mark>Nine</mark>" in page


def test_what_was_not_read_is_said(reads: Client, small: Organization, analyst: Member) -> None:
    made = [small.add_conversation(owner=analyst, name=f"No. {n}", turns=[("Walrus?", "Seal.")]) for n in range(3)]
    reads.get("/conversations/")
    reads.get(thread(made[0]))
    Walk.objects.update(counted_at=None)
    page = text_of(reads.get("/conversations/?q=walrus"))
    assert page.count('class="row-title"') == 3
    assert "searched 1 of 3; the rest only by title and last question" in page
    assert text_of(reads.get("/conversations/?q=seal")).count('class="row-title"') == 1
    reads.get(thread(made[1]))
    assert text_of(reads.get("/conversations/?q=seal")).count('class="row-title"') == 2


def test_asking_for_one_persons_takes_nobody_elses_away(
    corpus: dict[str, InOmni], searcher: User, settings: Settings
) -> None:
    settings.FRESH_FOR = timedelta(0)
    client = signed_in(searcher)
    for _ in range(3):
        assert found_by(client, "owner:ben bavaria") == [str(corpus["revenue"].id)]
        client.get("/conversations/?q=owner:ben&refresh=1")
    assert found_by(client, "returns") == [str(corpus["returns"].id)]


def test_a_thousand_are_counted_and_not_more(
    reads: Client, small: Organization, analyst: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "MAX_COUNTED", 2)
    for number in range(4):
        small.add_conversation(owner=analyst, name=f"Number {number}", turns=[("Walrus?", "Seal.")])
    assert "More than 2 conversations" in text_of(reads.get("/conversations/?q=walrus"))


def test_the_large_and_the_small_way_find_the_same(
    corpus: dict[str, InOmni], searcher: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers of thousands are answered along the index; here its thresholds are set far down."""
    client = signed_in(searcher)
    typed = ["-nosuchword", "how", "how -shipment", "from:2026-03-05 how", "owner:ben", "revenue", "is:starred how"]
    few = {text: found_by(client, text) for text in typed}
    monkeypatch.setattr(finder, "FEW_ROWS", 3)
    monkeypatch.setattr(finder, "_SHORT_ROWS", 4)
    monkeypatch.setattr(finder, "_FIRST_CHUNK_ROWS", 4)
    # Some are looked up in the index, the rest in all of the index's answers.
    monkeypatch.setattr(finder, "_MAX_ROWS_LOOKED_UP", 8)
    assert {text: found_by(client, text) for text in typed} == few
    assert len(few["how"]) > 50
    page = text_of(client.get("/conversations/?q=how&sort=started"))
    monkeypatch.undo()
    small_way = text_of(client.get("/conversations/?q=how&sort=started"))
    ids = r'class="row-title" href="/conversations/([0-9a-f-]{36})/'
    assert re.findall(ids, page) == re.findall(ids, small_way)


def test_it_says_out_of_how_much_the_readers_own_tokens_were_shown(
    owner: User,
    colleague: User,
    small: Organization,
    small_omni: StandIn,
    analyst: Member,
    ben: Member,
    settings: Settings,
) -> None:
    """The number is current, whatever the background counted last and however much others have read."""
    settings.SYNC = "all"
    owners = [analyst] * 5 + [ben] * 3
    made = [small.add_conversation(owner=whose, name="x", turns=[("Walrus?", "Seal.")]) for whose in owners]
    credential_for(owner, small_omni, small.personal_token(analyst))
    credential_for(colleague, small_omni, small.organization_key())
    clients = {who: signed_in(who) for who in (owner, colleague)}

    def said(who: User) -> str:
        page = text_of(clients[who].get("/conversations/?q=walrus"))
        insights = text_of(clients[who].get("/insights/"))
        found = re.search(r"searched ([\d,]+ of [\d,]+);\s+the rest only by", page)
        counted = re.search(r"from the ([\d,]+\s+of\s+[\d,]+) conversations synced so far", insights)
        assert found
        assert counted
        assert found[1].split() == counted[1].split()
        return found[1]

    for row in made[:2]:
        clients[owner].get(f"/conversations/{row.id}/")
    for row in made[1:7]:
        clients[colleague].get(f"/conversations/{row.id}/")
    Walk.objects.update(read=4, listed=4, counted_at=timezone.now())
    assert (said(owner), said(colleague)) == ("2 of 5", "6 of 8")
    small_omni.organization.permissions.deny("thread", id=made[7].id, status=403)
    clients[colleague].get(f"/conversations/{made[7].id}/")
    assert said(colleague) == "6 of 7", "what Omni refuses is never read"
    credential_for(owner, small_omni, small.organization_key(), "Everything")
    for row in made[4:6]:
        clients[owner].get(f"/conversations/{row.id}/")
    assert said(owner) == "4 of 8", "each once, whichever of the two tokens was shown it"
