"""The finished HTML around a thread's messages is shared, and shows nothing of another reader or an earlier state."""

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversations.models import Conversation, recency
from conversations.pages import finished_frame
from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import Organization, StandIn
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.captured import thread
from tests.conftest import credential_for, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(small: Organization, analyst: Member, reads: Client) -> InOmni:
    """Return a conversation that was opened until all of its page comes from the cache."""
    made = small.add_conversation(owner=analyst, name="Returns", turns=[("Why?", "Because.")], with_jobs=False)
    for _ in range(3):
        reads.get(thread(made))
    return made


@pytest.fixture
def sharing(
    stranger: User, colleague: User, small: Organization, small_omni: StandIn, analyst: Member
) -> tuple[Client, Client]:
    """Return the clients of two readers of one organization key; the second one's credential has its own label."""
    first = credential_for(stranger, small_omni, small.organization_key())
    Credential.objects.create(owner=colleague, api_token=first.api_token, label="Ours")
    return signed_in(stranger), signed_in(colleague)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths whose page is rendered anew around the messages, as they come.

    Within `CaptureQueriesContext`: elsewhere, tests.as_new renders each anew to compare.
    """
    paths: list[str] = []
    anew = finished_frame._anew

    def note(request: object, *args: object) -> bytes:
        paths.append(request.path)  # type: ignore[attr-defined]
        return anew(request, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(finished_frame, "_anew", note)
    return paths


def star(client: Client, made: InOmni) -> None:
    client.post(f"{thread(made)}star/", {"starred": "1"})


def ticket(client: Client, made: InOmni) -> None:
    client.post(f"{thread(made)}tickets/", {"ticket": "ABC-7"})


def rename(client: Client, made: InOmni) -> None:
    Conversation.objects.get().accesses.update(name="Refunds")


def darken(client: Client, made: InOmni) -> None:
    client.cookies["theme"] = "dark"


CHANGES: dict[str, tuple[Callable[[Client, InOmni], None], str]] = {
    "a star": (star, "Unstar this conversation"),
    "a ticket": (ticket, "ABC-7"),
    "another name": (rename, "Refunds"),
    "another theme": (darken, 'data-theme="dark"'),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_shown_at_once(reads: Client, made: InOmni, change: str) -> None:
    changes, shown = CHANGES[change]
    assert shown not in reads.get(thread(made)).content.decode()
    changes(reads, made)
    assert shown in reads.get(thread(made)).content.decode()


def open_it(client: Client, made: InOmni) -> None:
    client.get(thread(made))


def select(client: Client, made: InOmni) -> None:
    client.post("/conversations/selected/", {"star": str(made.id)})


def grow(client: Client, made: InOmni) -> None:
    Conversation.objects.update(message_count=17, indexed_revision=0)


def widen(client: Client, made: InOmni) -> None:
    client.cookies["rows"] = "compact"


def ask(client: Client, made: InOmni) -> None:
    Conversation.objects.get().accesses.update(updated_at=timezone.now(), recency=recency(timezone.now()))


LIST_CHANGES = {
    "a star": (select, 'aria-pressed="true"\naria-labelledby="starred'),
    "a ticket": (ticket, "ABC-7"),
    "another name": (rename, "Refunds"),
    "its length": (grow, ">17<"),
    "another row height": (widen, "is-compact"),
    "an activity": (ask, "Unread:"),
}


@pytest.mark.parametrize("address", ["/conversations/", "/conversations/?q=because"])
@pytest.mark.parametrize("change", LIST_CHANGES)
def test_the_list_shows_changes_at_once(
    reads: Client, made: InOmni, rendered: list[str], change: str, address: str
) -> None:
    changes, shown = LIST_CHANGES[change]
    open_it(reads, made)
    reads.get(address)
    rendered.clear()
    with CaptureQueriesContext(connection):
        assert shown not in reads.get(address).content.decode()
        assert rendered == []
        changes(reads, made)
        assert shown in reads.get(address).content.decode()
        assert "/conversations/" in rendered


def test_readers_of_one_token_share_the_list_but_for_their_marks(
    made: InOmni, rendered: list[str], sharing: tuple[Client, Client]
) -> None:
    """A star of one reader appears to no other; labels of credentials are part of the page’s name."""
    reads, theirs = sharing
    for _ in range(2):
        reads.get("/conversations/")
    with CaptureQueriesContext(connection):
        select(theirs, made)
        assert 'aria-pressed="true"\naria-labelledby="starred' in theirs.get("/conversations/").content.decode()
        assert 'aria-pressed="true"\naria-labelledby="starred' not in reads.get("/conversations/").content.decode()


def test_forms_are_of_the_reader(reads: Client, made: InOmni, owner: User) -> None:
    """The stored HTML holds no token of a form; each reader's own works."""
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(owner)
    page = careful.get(thread(made)).content.decode()
    tokens = set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page))
    assert tokens
    for token in tokens:
        assert careful.post(f"{thread(made)}star/", {"starred": "1", "csrfmiddlewaretoken": token}).status_code == 302
    assert careful.post(f"{thread(made)}star/", {"starred": "0", "csrfmiddlewaretoken": "x" * 64}).status_code == 403


def test_readers_who_are_told_the_same_share_it(
    made: InOmni, rendered: list[str], sharing: tuple[Client, Client]
) -> None:
    reads, theirs = sharing
    for _ in range(3):
        reads.get(thread(made))
    rendered.clear()
    with CaptureQueriesContext(connection):
        page = theirs.get(thread(made)).content.decode()
        assert rendered == []
        assert page.count("Signed in as") == 1
        assert '<strong dir="auto">colleague</strong>' in page
        star(theirs, made)
        assert "Unstar" in theirs.get(thread(made)).content.decode()
        assert len(rendered) == 1
        assert "Unstar" not in reads.get(thread(made)).content.decode()
        assert len(rendered) == 1


def test_no_text_is_taken_for_the_place_of_a_token(reads: Client, small: Organization, analyst: Member) -> None:
    words = "<csrf-token> csrf-token <!-- header --> {token} {address}"
    made = small.add_conversation(owner=analyst, name=words, turns=[(words, words)], with_jobs=False)
    for address in (thread(made), "/conversations/"):
        for _ in range(3):
            page = reads.get(address, {"q": words}).content.decode()
        assert "&lt;csrf-token&gt; csrf-token &lt;!-- header --&gt; {token} {address}" in page
        assert page.count("Signed in as") == 1
        assert "<csrf-token>" not in page


def test_what_has_no_known_form_has_no_name() -> None:
    """A value that the key could not tell apart keeps the page from being stored."""
    with pytest.raises(finished_frame._Untold):
        finished_frame._told({"of": [object()]})
    with pytest.raises(finished_frame._Untold):
        finished_frame._told(lambda: 1)
