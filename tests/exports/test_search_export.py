"""Exports of all that a search finds, read ahead by a worker."""

import json
import re
import zipfile
from datetime import timedelta
from io import BytesIO

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Download, Page, expect

from conversations import tasks
from conversations.archive import search_exports, threads
from conversations.models import Access, SearchExport
from conversations.models import search_export as limits
from conversations.search import documents, finder
from omniviewer.accounts.models import User
from omniviewer.audit.models import Event, Kind
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import work
from tests.conftest import assert_accessible, credential_for, sign_in, signed_in, text_of


@pytest.fixture
def made(small: Organization, analyst: Member) -> list[InOmni]:
    """Return sixty conversations: every third is about walrus, the others about seals."""
    return [
        small.add_conversation(
            owner=analyst, name=f"{'Walrus' if number % 3 == 0 else 'Seal'} {number}", turns=[("How many?", "Five.")]
        )
        for number in range(60)
    ]


def begin(client: Client, typed: str = "") -> int:
    answer = client.post("/exports/", {"q": typed})
    assert answer.status_code == 302, text_of(answer)
    found = re.fullmatch(r"/exports/(\d+)/", answer["Location"])
    assert found
    return int(found[1])


def unzipped(client: Client, pk: int) -> dict[str, str]:
    answer = client.get(f"/exports/{pk}.zip")
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(b"".join(answer.streaming_content))) as file:  # type: ignore[attr-defined]
        return {name: file.read(name).decode() for name in file.namelist()}


def test_it_works(reads: Client, made: list[InOmni], owner: User) -> None:
    reads.get("/conversations/")
    pk = begin(reads)
    assert "0 of 60 conversations" in " ".join(text_of(reads.get(f"/exports/{pk}/")).split())
    work()
    page = " ".join(text_of(reads.get(f"/exports/{pk}/")).split())
    assert "60 conversations ready" in page
    assert f'href="/exports/{pk}.zip"' in page
    files = unzipped(reads, pk)
    assert len(files) == 120
    assert any("Seal 59" in text for text in files.values())
    assert Event.objects.filter(kind=Kind.EXPORTED, user=owner).count() == 60
    assert f'href="/exports/{pk}/"' in text_of(reads.get("/exports/"))


def test_only_what_the_search_finds(reads: Client, made: list[InOmni]) -> None:
    reads.get("/conversations/")
    pk = begin(reads, "walrus")
    work()
    files = unzipped(reads, pk)
    assert len(files) == 40
    assert not any("Seal" in text for text in files.values())


def test_it_is_its_owners_alone(
    reads: Client, made: list[InOmni], colleague: User, small: Organization, small_omni: StandIn
) -> None:
    reads.get("/conversations/")
    pk = begin(reads)
    credential_for(colleague, small_omni, small.organization_key())
    other = signed_in(colleague)
    for address in (f"/exports/{pk}/", f"/exports/{pk}.zip"):
        assert other.get(address).status_code == 404
    assert other.post(f"/exports/{pk}/remove/").status_code == 404
    assert str(pk) not in re.findall(r"/exports/(\d+)/", text_of(other.get("/exports/")))


def test_a_right_that_ended_meanwhile_keeps_it_out(reads: Client, made: list[InOmni]) -> None:
    reads.get("/conversations/")
    pk = begin(reads)
    work()
    gone = Access.objects.filter(conversation__omni_id=made[7].id)
    gone.update(opened_at=None, listed_at=None, confirmed_at=None)
    files = unzipped(reads, pk)
    assert len(files) == 118
    assert not any("Seal 7\n" in text for text in files.values())


def test_what_omni_refuses_is_named_and_the_rest_goes_on(
    reads: Client, made: list[InOmni], small: Organization
) -> None:
    reads.get("/conversations/")
    pk = begin(reads)
    small.remove(made[3].id)
    work()
    export = SearchExport.objects.get(pk=pk)
    assert (export.done, list(export.missing)) == (60, [f"{export.wanted[0][0]}/{made[3].id}"])
    assert "1 could not be fetched" in " ".join(text_of(reads.get(f"/exports/{pk}/")).split())
    told = json.loads(unzipped(reads, pk)["not-included.json"])
    assert list(told) == [str(made[3].id)]


def test_it_waits_while_omni_is_away_and_goes_on(reads: Client, made: list[InOmni], small_omni: StandIn) -> None:
    reads.get("/conversations/")
    pk = begin(reads)
    small_omni.fail(Fault.status(503), path="")
    search_exports.run(5)
    export = SearchExport.objects.get(pk=pk)
    assert export.done == 0
    assert export.not_before > timezone.now()
    assert "Waiting: " in text_of(reads.get(f"/exports/{pk}/"))
    assert not search_exports.run(5)
    small_omni.recover()
    SearchExport.objects.update(not_before=timezone.now())
    while search_exports.run(5):
        SearchExport.objects.update(not_before=timezone.now())
    assert SearchExport.objects.get(pk=pk).done == 60


def test_a_worker_that_is_killed_holds_it_up_for_two_minutes(reads: Client, made: list[InOmni]) -> None:
    reads.get("/conversations/")
    pk = begin(reads)
    claimed = SearchExport.objects.claim()
    assert claimed
    assert claimed.pk == pk
    assert SearchExport.objects.claim() is None
    SearchExport.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert SearchExport.objects.claim()


def test_one_that_is_removed_meanwhile_stays_removed(
    reads: Client, made: list[InOmni], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads.get("/conversations/")
    begin(reads)
    really = search_exports._read_next

    def remove_at_the_fifth(export: SearchExport) -> object:
        if export.done == 5:
            SearchExport.objects.all().delete()
        return really(export)

    monkeypatch.setattr(search_exports, "_read_next", remove_at_the_fifth)
    assert search_exports.run(60)
    assert not SearchExport.objects.exists()


def test_one_that_another_worker_has_in_hand_is_not_looked_for_again_at_once(reads: Client, made: list[InOmni]) -> None:
    reads.get("/conversations/")
    begin(reads)
    claimed = SearchExport.objects.claim()
    assert claimed
    assert SearchExport.objects.next_at() == claimed.claimed_until
    assert not search_exports.run(5)


def test_a_fault_puts_it_off_and_leaves_it_free(
    reads: Client, made: list[InOmni], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads.get("/conversations/")
    begin(reads)

    def fault(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(threads, "open", fault)
    with pytest.raises(RuntimeError):
        search_exports.run(5)
    export = SearchExport.objects.get()
    assert export.claimed_until is None
    assert export.not_before > timezone.now()


def test_what_the_list_finds_by_beginnings_is_exported_too(reads: Client, made: list[InOmni]) -> None:
    reads.get("/conversations/")
    assert text_of(reads.get("/conversations/?q=walru")).count('class="row-title"') == 20
    assert SearchExport.objects.get(pk=begin(reads, "walru")).total == 20


def test_readers_of_many_get_the_newest_too(reads: Client, made: list[InOmni], monkeypatch: pytest.MonkeyPatch) -> None:
    reads.get("/conversations/")
    documents.refresh(seconds=60)
    monkeypatch.setattr(finder, "FEW_ROWS", 0)
    monkeypatch.setattr(search_exports, "MAX_CONVERSATIONS", 10)
    export = SearchExport.objects.get(pk=begin(reads, "seal"))
    newest = [str(row.id) for row in reversed(made) if (row.name or "").startswith("Seal")][:10]
    assert ([omni_id for _, omni_id in export.wanted], export.is_cut) == (newest, True)


def test_it_has_limits(reads: Client, made: list[InOmni], monkeypatch: pytest.MonkeyPatch) -> None:
    reads.get("/conversations/")
    monkeypatch.setattr(search_exports, "MAX_CONVERSATIONS", 20)
    pk = begin(reads)
    export = SearchExport.objects.get(pk=pk)
    assert (export.total, export.is_cut) == (20, True)
    assert export.wanted[0][1] == str(made[59].id)
    assert "these are the newest 20" in " ".join(text_of(reads.get(f"/exports/{pk}/")).split())
    for _ in range(limits.MAX_UNFINISHED - 1):
        begin(reads)
    answer = reads.post("/exports/", {"q": ""}, follow=True)
    assert "Your other exports are not ready yet." in text_of(answer)
    assert SearchExport.objects.count() == limits.MAX_UNFINISHED


def test_it_is_removed_by_hand_and_after_a_week(reads: Client, made: list[InOmni]) -> None:
    reads.get("/conversations/")
    first, second = begin(reads), begin(reads)
    page = text_of(reads.post(f"/exports/{first}/remove/", follow=True))
    assert "The export was removed. Export the search again at any time." in page
    SearchExport.objects.update(made_at=timezone.now() - timedelta(days=8))
    tasks.hourly.call()
    assert not SearchExport.objects.filter(pk=second).exists()


def test_odd_requests(reads: Client, made: list[InOmni]) -> None:
    assert reads.post("/exports/", {"q": "", "credential": "x"}).status_code == 400
    assert reads.get("/exports/7/").status_code == 404
    assert reads.get("/exports/7.zip").status_code == 404
    reads.get("/conversations/")
    pk = begin(reads, "nothing like it")
    work()
    assert unzipped(reads, pk) == {}
    assert "No exports yet" not in text_of(reads.get("/exports/"))


@pytest.mark.django_db(transaction=True)
def test_all_of_a_search_is_a_selection_away(page: Page, site: str, reads: Client, made: list[InOmni]) -> None:
    sign_in(page, site)
    page.wait_for_load_state()
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(page.get_by_text("50 selected")).to_be_visible()
    page.locator(".selection").get_by_role("button", name="Export all 60 results").click()
    expect(page.get_by_role("heading", name="Export: all conversations")).to_be_visible()
    assert_accessible(page, "an export that is read")
    begun: list[Download] = []

    def begins(one: Download) -> None:
        begun.append(one)

    page.on("download", begins)
    # It comes by itself when it is ready, and once: it stays there to be downloaded again.
    with page.expect_download() as download:
        while search_exports.run(5):
            pass
    with zipfile.ZipFile(download.value.path()) as file:
        assert len(file.namelist()) == 120
    page.reload()
    page.wait_for_load_state()
    page.wait_for_timeout(1000)
    assert len(begun) == 1
    with page.expect_download():
        page.get_by_role("link", name="Download").click()
