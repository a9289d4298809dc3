"""The list of conversations, page by page."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import DjangoAssertNumQueries, Settings

from conversations.models import Access, Walk
from conversations.search import documents
from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread_page
from tests.conftest import EXAMPLE, credential_for, member_behind, shown_ago, sign_in, signed_in, text_of

pytestmark = pytest.mark.both_dialects


def ids_on(page: str) -> list[str]:
    return re.findall(r'class="row-title" href="/conversations/([0-9a-f-]{36})/["?]', page)


def walk(client: Client, address: str) -> list[str]:
    """Return every conversation's id from `address` on, by following "Older"."""
    found: list[str] = []
    for _ in range(50):
        page = text_of(client.get(address))
        found += ids_on(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        if not older:
            return found
        address = "/conversations/" + older.group(1).replace("&amp;", "&")
    pytest.fail("the list does not end")


def test_it_works(owner_reads: Client) -> None:
    page = text_of(owner_reads.get("/conversations/"))
    assert len(ids_on(page)) == 50
    assert re.search(r"\d+ conversations", page)


def test_it_pages_through_all_of_them_newest_first(owner_reads: Client, omni: StandIn) -> None:
    mine = [row for row in omni.organization.conversations if row.owner == member_behind(omni, "analyst")]
    expected = [str(row.id) for row in sorted(mine, key=lambda row: row.updated_at, reverse=True)]
    assert walk(owner_reads, "/conversations/") == expected
    assert EXAMPLE in expected


def test_an_organization_key_sees_everybodys(colleague_reads: Client, omni: StandIn) -> None:
    found = walk(colleague_reads, "/conversations/")
    assert len(found) == len(set(found)) == len(omni.organization.conversations) >= 300
    assert "in the organization" in text_of(colleague_reads.get("/conversations/"))


def test_it_pages_through_all_of_them_days_later_where_nobody_reads_ahead(
    colleague_reads: Client, omni: StandIn, settings: Settings
) -> None:
    everything = walk(colleague_reads, "/conversations/")
    long_ago = timezone.now() - settings.ACCESS_TTL * 3
    Access.objects.update(confirmed_at=long_ago, listed_at=long_ago)
    Walk.objects.update(checked_at=long_ago, walked_at=long_ago)
    assert walk(colleague_reads, "/conversations/") == everything


def test_an_organization_key_may_filter_by_member(colleague_reads: Client, omni: StandIn) -> None:
    first = text_of(colleague_reads.get("/conversations/"))
    analyst = member_behind(omni, "analyst")
    assert f'<option value="{analyst.id}">{analyst.name}' in first
    old = colleague_reads.get(f"/conversations/?member={analyst.id}")
    address = f"/conversations/?q=owner%3A{analyst.id}"
    assert old["Location"] == address
    mine = [row for row in omni.organization.conversations if row.owner.id == analyst.id]
    assert len(walk(colleague_reads, address)) == len(mine)
    page = text_of(colleague_reads.get(address))
    assert f'<option value="{analyst.id}" selected>' in page
    assert f"{len(mine)} conversations" in page


def test_a_personal_token_never_sends_a_filter(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get("/conversations/")
    omni.requests.clear()
    assert "No matches" in text_of(owner_reads.get(f"/conversations/?q=owner:{EXAMPLE}"))
    assert ids_on(text_of(owner_reads.get("/conversations/?q=owner:me")))
    assert omni.requests == []


def test_people_are_asked_for_once(colleague_reads: Client, omni: StandIn) -> None:
    colleague_reads.get("/conversations/")
    assert any("/scim/" in request.path for request in omni.requests)
    omni.requests.clear()
    colleague_reads.get("/conversations/?refresh=1", follow=True)
    assert not any("/scim/" in request.path for request in omni.requests)


@pytest.mark.parametrize("status", [403, 404])
def test_it_works_where_omni_tells_no_names(colleague_reads: Client, omni: StandIn, status: int) -> None:
    omni.fail(Fault.status(status), path="/scim")
    for _ in range(3):
        page = text_of(colleague_reads.get("/conversations/"))
        assert len(ids_on(page)) == 50
        assert '<input id="control-owner" name="owner"' in page
    assert [request.path for request in omni.requests].count("/api/scim/v2/users") == 1


def test_people_are_asked_for_again_once_omni_is_back(colleague_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.status(503), path="/scim")
    assert '<input id="control-owner"' in text_of(colleague_reads.get("/conversations/"))
    omni.recover()
    page = text_of(colleague_reads.get("/conversations/?refresh=1", follow=True))
    assert '<select id="control-owner"' in page


def test_while_omni_is_down_a_page_waits_for_it_once(colleague_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.status(503), path="/scim")
    colleague_reads.get("/conversations/")
    omni.fail(Fault.status(503), path="")
    omni.requests.clear()
    assert "Not up to date." in text_of(colleague_reads.get("/conversations/?refresh=1"))
    assert len(omni.requests) == 1


def test_a_row_shows_the_name_or_the_last_prompt(small: Organization, small_omni: StandIn, owner: User) -> None:
    member = small.add_member("Ana", "ana@small.example")
    small.add_conversation(owner=member, name="Returns in Q3", turns=[("How many returns?", "Some.")])
    small.add_conversation(owner=member, name=None, turns=[("What about <b>Q4</b>?", "More.")])
    credential_for(owner, small_omni, small.personal_token(member))
    page = text_of(signed_in(owner).get("/conversations/"))
    assert re.search(r'row-title"[^>]*>Returns in Q3\s*</a> <p class="row-prompt"><bdi>How many returns\?</bdi>', page)
    assert re.search(r'row-title"[^>]*>What about &lt;b&gt;Q4&lt;/b&gt;\?\s*</a> <span class="row-here">', page)


def test_a_prompt_as_long_as_a_book_does_not_make_the_list_one(
    small: Organization, small_omni: StandIn, owner: User
) -> None:
    member = small.add_member("Ana", "ana@small.example")
    small.add_conversation(owner=member, name=None, turns=[("word " * 20_000, "Yes.")])
    small.add_conversation(owner=member, name="Short", turns=[("word " * 20_000, "Yes.")])
    credential_for(owner, small_omni, small.personal_token(member))
    page = text_of(signed_in(owner).get("/conversations/"))
    assert page.count("word") < 200
    assert page.count("…") == 2


def test_days_are_the_readers_own(small: Organization, small_omni: StandIn, owner: User) -> None:
    from datetime import UTC, datetime

    member = small.add_member("Ana", "ana@small.example")
    late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    small.add_conversation(owner=member, name="Late", turns=[("Now?", None)], started_at=late)
    credential_for(owner, small_omni, small.personal_token(member))
    client = signed_in(owner)
    assert "Sunday 1 March 2026" in text_of(client.get("/conversations/"))
    client.cookies["time_zone"] = "Asia%2FTokyo"
    assert "Monday 2 March 2026" in text_of(client.get("/conversations/"))
    client.cookies["time_zone"] = "../../etc/passwd"
    assert "Sunday 1 March 2026" in text_of(client.get("/conversations/"))


def test_an_empty_list_says_why(small: Organization, small_omni: StandIn, owner: User) -> None:
    credential_for(owner, small_omni, small.personal_token(small.add_member("Ana", "ana@small.example")))
    page = text_of(signed_in(owner).get("/conversations/"))
    assert "No conversations yet" in page
    assert "A personal token sees only its owner’s conversations" in page


def test_without_a_credential_it_says_what_to_do(owner: User) -> None:
    answer = signed_in(owner).get("/conversations/")
    assert answer.status_code == 403
    assert 'href="/credentials/connect/?next=%2Fconversations%2F"' in text_of(answer)


def test_a_rejected_credential_says_what_to_do(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get("/conversations/")
    omni.fail(Fault.status(401), path="")
    answer = owner_reads.get("/conversations/?refresh=1")
    credential = Credential.objects.get()
    assert answer.status_code == 403
    assert "Omni no longer accepts your token" in text_of(answer)
    assert f'href="/credentials/{credential.pk}/token/?next=%2Fconversations%2F%3Frefresh%3D1"' in text_of(answer)
    omni.recover()
    omni.requests.clear()
    assert owner_reads.get("/conversations/").status_code == 403
    assert omni.requests == []
    assert "Rejected by Omni" in text_of(owner_reads.get("/credentials/"))


def test_a_second_look_costs_omni_nothing(owner_reads: Client, omni: StandIn) -> None:
    first = ids_on(text_of(owner_reads.get("/conversations/")))
    omni.requests.clear()
    assert ids_on(text_of(owner_reads.get("/conversations/"))) == first
    assert omni.requests == []


def test_it_asks_again_when_it_is_stale_and_on_refresh(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get("/conversations/")
    omni.requests.clear()
    assert owner_reads.get("/conversations/?refresh=1")["Location"] == "/conversations/"
    assert len(omni.requests) == 1
    Walk.objects.update(checked_at=timezone.now() - timedelta(minutes=11))
    page = text_of(owner_reads.get("/conversations/"))
    assert len(omni.requests) == 1
    renewed = owner_reads.get(
        unescape(re.findall(r'hx-get="([^"]+/fresh/[^"]*)"', page)[0]), headers={"HX-Request": "true"}
    )
    assert renewed.status_code == 200
    assert len(omni.requests) == 2


def test_it_stays_readable_when_omni_is_down(owner_reads: Client, omni: StandIn) -> None:
    first = ids_on(text_of(owner_reads.get("/conversations/")))
    omni.stop()
    page = text_of(owner_reads.get("/conversations/?refresh=1"))
    assert ids_on(page) == first
    assert "Not up to date." in page
    assert "Omni cannot be reached: the connection was refused." in page


def test_nothing_kept_and_omni_down_is_a_page_with_a_way_on(owner_reads: Client, omni: StandIn) -> None:
    omni.stop()
    answer = owner_reads.get("/conversations/")
    assert answer.status_code == 503
    assert "This page cannot be fetched right now" in text_of(answer)
    assert "Try again" in text_of(answer)


def test_nonsense_in_place_of_a_list_stretches_nothing(owner_reads: Client, omni: StandIn, settings: Settings) -> None:
    owner_reads.get("/conversations/")
    shown_ago(settings.ACCESS_TTL * 2)
    omni.fail(Fault.html(200), path="")
    assert owner_reads.get("/conversations/?refresh=1").status_code == 503
    omni.fail(Fault.status(503), path="")
    assert owner_reads.get("/conversations/?refresh=1").status_code == 200


def test_a_list_past_its_grace_is_not_shown(owner_reads: Client, omni: StandIn, settings: Settings) -> None:
    from datetime import timedelta

    owner_reads.get("/conversations/")
    shown_ago(settings.ACCESS_GRACE + timedelta(hours=1))
    omni.stop()
    assert owner_reads.get("/conversations/?refresh=1").status_code == 503


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("credential=999", "names a credential that you do not have"),
        ("credential=x", "names a credential that you do not have"),
        ("before=x", "a place in the list that does not exist"),
        ("after=99999999999999999999", "a place in the list that does not exist"),
        ("sort=name", "sorted by activity, oldest, started, first, messages, slowest or match"),
    ],
)
def test_a_bad_address_says_what_is_wrong(colleague_reads: Client, query: str, sentence: str) -> None:
    answer = colleague_reads.get(f"/conversations/?{query}")
    assert answer.status_code == 400
    assert sentence in text_of(answer)


def test_a_place_beyond_the_end_is_no_dead_end(owner_reads: Client) -> None:
    page = text_of(owner_reads.get("/conversations/?before=1"))
    assert "Nothing left on this page" in page
    assert 'href="/conversations/">Go to the newest' in page


def test_anothers_credential_is_none_of_ones_own(owner_reads: Client, colleague_reads: Client, colleague: User) -> None:
    theirs = Credential.objects.get(owner=colleague)
    assert owner_reads.get(f"/conversations/?credential={theirs.pk}").status_code == 400


def test_one_chooses_between_several_credentials(owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"], "Mine")
    wide = credential_for(owner, omni, omni.organization.demo_tokens["lead"], "Everybody's")
    client = signed_in(owner)
    mine = Credential.objects.exclude(pk=wide.pk).get()
    everything = text_of(client.get("/conversations/"))
    assert "in the organization" in everything
    assert "All credentials" in everything
    assert "in the organization" not in text_of(client.get(f"/conversations/?credential={mine.pk}"))
    page = text_of(client.get(f"/conversations/?credential={wide.pk}"))
    assert "in the organization" in page
    assert f'<option value="{wide.pk}" selected>' in page


def test_newer_leads_back(owner_reads: Client) -> None:
    first = text_of(owner_reads.get("/conversations/"))
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = text_of(owner_reads.get("/conversations/" + older.group(1).replace("&amp;", "&")))
    assert not set(ids_on(first)) & set(ids_on(second))
    newer = re.search(r'rel="prev" href="([^"]+)"', second)
    assert newer
    assert ids_on(text_of(owner_reads.get("/conversations/" + newer.group(1)))) == ids_on(first)


def test_queries_do_not_grow_with_the_list(
    owner_reads: Client, omni: StandIn, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    owner_reads.get("/conversations/")
    # A reader waits for the index a moment only, which is not enough on a busy machine.
    assert documents.refresh(seconds=60)
    with django_assert_max_num_queries(20):
        owner_reads.get("/conversations/")


def row_of(page: str, omni_id: str) -> str:
    """Return the HTML id of a conversation's row in the list."""
    found = re.search(rf'id="(row-[0-9]+)">(?:(?!<li).)*?href="/conversations/{omni_id}/', page)
    assert found
    return found[1]


def link_to(page: str, pattern: str) -> str:
    found = re.search(pattern, page)
    assert found
    return unescape(found[1])


BACK = r'class="back" href="([^"]+)"'


def test_the_way_back_leads_to_the_same_page_and_row(owner_reads: Client) -> None:
    first = text_of(owner_reads.get("/conversations/?sort=oldest"))
    second_page = "/conversations/" + link_to(first, r'rel="next" href="([^"]+)"')
    for address in ("/conversations/?sort=oldest", second_page, "/conversations/"):
        page = text_of(owner_reads.get(address))
        opened = ids_on(page)[7]
        thread = link_to(page, rf'class="row-title" href="(/conversations/{opened}/[^"]*)"')
        back = link_to(text_of(owner_reads.get(thread)), BACK)
        assert back.partition("#")[2] == row_of(page, opened)
        assert len(back) < 100
        assert ids_on(text_of(owner_reads.get(back.partition("#")[0]))) == ids_on(page)


def test_the_way_back_from_a_neighbour_leads_to_a_page_that_holds_it(owner_reads: Client) -> None:
    first = text_of(owner_reads.get("/conversations/"))
    second_page = "/conversations/" + link_to(first, r'rel="next" href="([^"]+)"')
    for address, place, rel in (("/conversations/", 49, "next"), (second_page, 0, "prev"), (second_page, 3, "prev")):
        page = text_of(owner_reads.get(address))
        thread = link_to(page, rf'class="row-title" href="(/conversations/{ids_on(page)[place]}/[^"]*)"')
        neighbour = link_to(thread_page(owner_reads, thread), rf'rel="{rel}" href="([^"]+)"')
        back = link_to(text_of(owner_reads.get(neighbour)), BACK)
        listed = text_of(owner_reads.get(back.partition("#")[0]))
        assert row_of(listed, neighbour.split("/")[2]) == back.partition("#")[2]


def test_the_row_that_was_opened_is_marked(page: Page, site: str, owner_reads: Client) -> None:
    sign_in(page, site)
    row = page.locator(".row").nth(30)
    title = row.locator(".row-title").inner_text()
    row.locator(".row-title").click()
    page.get_by_role("link", name="← Conversations").click()
    marked = page.locator(".row").filter(has=page.get_by_text("Last opened").locator("visible=true"))
    expect(marked).to_have_count(1)
    expect(marked.locator(".row-title")).to_have_text(title)
    expect(marked).to_be_in_viewport()


def test_all_read_is_offered_where_something_is_unread(reads: Client, small: Organization, analyst: Member) -> None:
    old = timezone.now() - timedelta(days=2)
    small.add_conversation(owner=analyst, name="Old", turns=[("How many?", "Five.")], started_at=old)
    assert "Mark all as read" not in text_of(reads.get("/conversations/"))
    soon = timezone.now() + timedelta(minutes=1)
    new = small.add_conversation(owner=analyst, name="New", turns=[("How much?", "Six.")], started_at=soon)
    assert "Mark all as read" in text_of(reads.get("/conversations/?refresh=1", follow=True))
    # The button is there even if the search finds no unread conversation.
    assert "Mark all as read" in text_of(reads.get("/conversations/?q=old"))
    reads.get(f"/conversations/{new.id}/")
    assert "Mark all as read" not in text_of(reads.get("/conversations/"))
