"""The audit log: which acts it stores, who may see them, and that nothing changes them."""

import csv
import io
import json
import logging
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.http import StreamingHttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from conversations.models import Conversation
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.audit.management.commands import prune_audit
from omniviewer.audit.models import AppendOnly, Event, Kind
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from tests.conftest import (
    EXAMPLE,
    PASSWORD,
    assert_accessible,
    credential_for,
    person,
    sign_in,
    sign_in_by_form,
    signed_in,
    text_of,
)

THREAD = f"/conversations/{EXAMPLE}/"
JOB = "550e8400-e29b-41d4-a716-446655440000"  # of the second message there
TITLE = "Top products by revenue"
NOWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def staff(db: None) -> Client:
    return signed_in(User.objects.create_user("auditor", password=PASSWORD, is_staff=True))


def noted(*names: str) -> list[tuple[Any, ...]]:
    """Return these columns of the log, oldest first."""
    return list(Event.objects.order_by("pk").values_list(*(names or ("who", "kind", "result"))))


def event(who: str = "somebody", kind: Kind = Kind.OPENED, **values: Any) -> Event:
    return Event.objects.create(who=who, kind=kind, **values)


def whos(answer: Any) -> list[str]:
    """Return the usernames in the table, from top to bottom."""
    return re.findall(r'<td class="event-who">(?:<span[^>]*>)?([^<]*?) ?<', text_of(answer))


def csv_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))


# Acts that are logged -------------------------------------------------------------------------------------


@pytest.mark.both_dialects
def test_it_works(owner: User, owner_reads: Client, omni: StandIn) -> None:
    before = timezone.now()
    owner_reads.get(f"{THREAD}messages/2/?ticket=SUP-17")
    [row] = Event.objects.all()
    assert before <= row.at <= timezone.now()
    assert (row.user, row.who, row.kind, row.result) == (owner, "owner", "opened", "ok")
    assert (row.conversation_id, row.position, row.ticket) == (UUID(EXAMPLE), 2, "SUP-17")
    assert (row.instance, row.address, row.by) == (omni.host, None, "")
    page = text_of(owner_reads.get("/activity/"))
    assert "Opened a conversation" in page
    assert f'<a href="/conversations/{EXAMPLE}/" dir="auto">' in page
    assert "Message 2" in page
    assert "SUP-17" in page


def test_signing_in_and_out(owner: User) -> None:
    client = Client()
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    client.post("/sign-out/")
    client.post("/sign-out/")
    assert noted("who", "user", "kind", "result", "by") == [
        ("owner", owner.pk, "signed-in", "ok", "password"),
        ("owner", owner.pk, "signed-out", "ok", "password"),
    ]


def test_continuing_as_somebody_of_the_demo(db: None) -> None:
    person("analyst")
    Client().post("/demo/continue/", {"person": "analyst"})
    assert noted("who", "kind", "by") == [("analyst", "signed-in", "demo")]


def test_a_session_that_is_over(owner: User, settings: Settings) -> None:
    client = Client()
    client.post("/sign-in/", {"username": "owner", "password": PASSWORD})
    settings.SESSION_IDLE = 0
    client.head("/conversations/")
    client.get("/conversations/")
    assert noted("who", "kind", "result", "by") == [
        ("owner", "signed-in", "ok", "password"),
        ("owner", "signed-out", "expired", "password"),
    ]


def test_a_sign_in_that_is_refused(owner: User) -> None:
    Client().post("/sign-in/", {"username": "owner", "password": "wrong"})
    User.objects.filter(pk=owner.pk).update(is_active=False)
    Client().post("/sign-in/", {"username": "owner", "password": PASSWORD})
    assert noted("who", "user", "kind", "result") == [
        ("owner", owner.pk, "refused", "wrong-password"),
        ("owner", owner.pk, "refused", "inactive"),
    ]


def test_a_password_in_the_wrong_box_is_not_kept(owner: User) -> None:
    Client().post("/sign-in/", {"username": PASSWORD, "password": "owner"})
    assert noted() == [("", "refused", "unknown-name")]
    assert PASSWORD not in everything()


def test_an_empty_box_is_no_attempt(owner: User) -> None:
    Client().post("/sign-in/", {"username": "owner", "password": ""})
    Client().get("/sign-in/")
    assert noted() == []


def test_what_is_not_looked_at_any_more_is_no_attempt(owner: User) -> None:
    """Somebody who guesses passwords cannot fill the log."""
    for _ in range(9):
        Client().post("/sign-in/", {"username": "owner", "password": "wrong"})
    assert len(noted()) == 5


def test_credentials(owner: User, omni: StandIn) -> None:
    client, tokens = signed_in(owner), omni.organization.demo_tokens
    fields = {"instance_address": omni.url, "label": "Mine"}
    client.post("/credentials/connect/", {**fields, "token": tokens["revoked"]})
    client.post("/credentials/connect/", {**fields, "token": tokens["analyst"]})
    pk = Credential.objects.get().pk
    client.post(f"/credentials/{pk}/", {"label": "Mine still"})
    client.post(f"/credentials/{pk}/default/")
    client.post(f"/credentials/{pk}/token/", {"token": tokens["revoked"]})
    client.post(f"/credentials/{pk}/token/", {"token": tokens["support"]})
    omni.fail(Fault.status(500), path="")
    client.post(f"/credentials/{pk}/token/", {"token": tokens["analyst"]})
    client.post(f"/credentials/{pk}/remove/")
    assert noted("kind", "result", "credential_id") == [
        ("credential-added", "rejected", None),
        ("credential-added", "ok", pk),
        ("credential-changed", "ok", pk),
        ("credential-changed", "ok", pk),
        ("credential-changed", "rejected", pk),
        ("credential-changed", "ok", pk),
        ("credential-changed", "not-reached", pk),
        ("credential-removed", "ok", pk),
    ]
    assert set(noted("who", "instance")) == {("owner", omni.host)}


def test_a_credential_that_an_administrator_removes(owner: User, omni: StandIn) -> None:
    pk = credential_for(owner, omni, omni.organization.demo_tokens["analyst"]).pk
    call_command("offboard", "owner", "--no-input")
    assert noted("who", "kind", "by", "instance", "credential_id", "whom") == [
        ("owner", "credential-removed", "command", omni.host, pk, ""),
        ("", "person-offboarded", "command", "", None, "owner"),
    ]


def test_a_form_that_is_only_looked_at_is_nothing(owner: User, omni: StandIn) -> None:
    pk = credential_for(owner, omni, omni.organization.demo_tokens["analyst"]).pk
    client = signed_in(owner)
    for page in ("", "connect/", f"{pk}/", f"{pk}/token/", f"{pk}/remove/"):
        client.get(f"/credentials/{page}")
        client.post(f"/credentials/{page}", {"label": "", "token": "short"}) if "remove" not in page else None
    assert noted() == []


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault.status(404), "not-shown"),
        (Fault.status(401), "rejected"),
        (Fault.status(500), "not-reached"),
        (Fault.status(429), "limited"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_why_nothing_was_shown(owner_reads: Client, omni: StandIn, fault: Fault, why: str) -> None:
    omni.fail(fault, path="")
    assert owner_reads.get(THREAD).status_code != 200
    assert noted("kind", "result", "conversation_id") == [("opened", why, UUID(EXAMPLE))]


def test_nor_without_a_credential(owner: User) -> None:
    signed_in(owner).get(THREAD)
    assert noted("result", "conversation_id") == [("no-credential", UUID(EXAMPLE))]


@pytest.mark.parametrize("address", ["/jobs/{}/", "/open?q={}"])
def test_what_leads_to_a_thread_is_noted_once(owner_reads: Client, omni: StandIn, address: str) -> None:
    """Only the thread's page logs the visit; an address that leads nowhere is logged without a conversation."""
    owner_reads.get(address.format(JOB), follow=True)
    assert noted("kind", "result", "conversation_id") == [("opened", "ok", UUID(EXAMPLE))]
    owner_reads.get(address.format(NOWHERE), follow=True)
    assert noted("kind", "result", "conversation_id")[1:] == [("opened", "not-shown", None)]


def test_a_thread_that_answers_a_form_is_read_too(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.post(f"{THREAD}tickets/?ticket=SUP-17", {"ticket": "not a ticket"})
    owner_reads.post(f"{THREAD}tickets/remove/", {"ticket": "SUP-17"})
    owner_reads.post(f"/conversations/{NOWHERE}/tickets/", {"ticket": "SUP-17"})
    owner_reads.post(f"/conversations/{NOWHERE}/tickets/remove/", {"ticket": "SUP-17"})
    assert noted("kind", "result", "conversation_id", "ticket") == [
        ("opened", "ok", UUID(EXAMPLE), "SUP-17"),
        ("opened", "ok", UUID(EXAMPLE), ""),
        ("opened", "not-shown", UUID(NOWHERE), ""),
        ("opened", "not-shown", UUID(NOWHERE), ""),
    ]


def test_what_a_page_does_by_itself_is_nothing(owner_reads: Client, omni: StandIn) -> None:
    owner_reads.get(THREAD)
    owner_reads.get(f"{THREAD}fresh/?revision=1&count=4&looks=1", headers={"HX-Request": "true"})
    assert owner_reads.get(f"{THREAD}?refresh=1").status_code == 302
    assert len(noted()) == 1


def test_a_head_request_shows_nobody_anything(owner_reads: Client, omni: StandIn) -> None:
    assert owner_reads.head(THREAD).status_code == 200
    assert owner_reads.head(f"/conversations/{NOWHERE}/").status_code == 404
    assert noted() == []


@pytest.mark.parametrize(
    "ticket",
    ["", "SUP 17", "17", "SUP-", "SUP-17;DROP", "sup-17-a", "A" * 30 + "-1", "=SUM(A1)", "what did Ana earn?"],
)
def test_what_is_no_ticket_is_not_kept(owner_reads: Client, omni: StandIn, ticket: str) -> None:
    owner_reads.get(THREAD, {"ticket": ticket})
    assert noted("ticket") == [("",)]


def test_a_deployment_has_tickets_of_its_own_form(owner_reads: Client, omni: StandIn, settings: Settings) -> None:
    settings.TICKET_FORMAT = r"#\d+"
    owner_reads.get(THREAD, {"ticket": "#4711"})
    owner_reads.get(THREAD, {"ticket": "SUP-17"})
    owner_reads.get(THREAD, {"ticket": "#" + "1" * 200})
    assert noted("ticket") == [("#4711",), ("",), ("",)]


def test_a_message_that_cannot_be_is_no_message(owner_reads: Client, omni: StandIn) -> None:
    for position in (10**18, 10**30):  # the second is no address
        assert owner_reads.get(f"{THREAD}messages/{position}/").status_code == 404
    assert noted("conversation_id", "position") == [(UUID(EXAMPLE), None)]


# Details that are not logged ------------------------------------------------------------------------------


def everything() -> str:
    """Return the whole table, as the database has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM audit_event")
        return str(cursor.fetchall())


def test_no_title_no_text_no_token_and_no_name_of_a_credential(owner: User, omni: StandIn) -> None:
    client, tokens = signed_in(owner), omni.organization.demo_tokens
    client.post(
        "/credentials/connect/", {"instance_address": omni.url, "token": tokens["analyst"], "label": "My label"}
    )
    client.post(
        "/credentials/connect/", {"instance_address": omni.url, "token": tokens["revoked"], "label": "My label 2"}
    )
    client.get(THREAD, {"ticket": "SUP-17", "q": "salaries"})
    client.get("/open", {"q": f"salaries {NOWHERE}"})
    conversation = next(row for row in omni.organization.conversations if str(row.id) == EXAMPLE)
    dump = everything()
    assert "SUP-17" in dump
    said = [conversation.name, *(message.text for message in conversation.messages), *tokens.values()]
    for secret in (
        *said,
        Credential.objects.get().api_token.ciphertext,
        "My label",
        "salaries",
        omni.organization.name,
    ):
        assert secret
        assert secret not in dump


@pytest.mark.parametrize("behind_proxy", [True, False])
def test_no_address_of_a_reader(owner_reads: Client, omni: StandIn, settings: Settings, behind_proxy: bool) -> None:
    settings.BEHIND_PROXY = behind_proxy
    owner_reads.get(THREAD, headers={"X-Forwarded-For": "203.0.113.7"}, REMOTE_ADDR="198.51.100.4")
    assert noted("address") == [(None,)]
    assert "203.0.113.7" not in everything()
    assert "198.51.100.4" not in everything()


@pytest.mark.parametrize(
    ("behind_proxy", "forwarded", "address"),
    [
        (False, "203.0.113.7", "198.51.100.4"),
        (True, "203.0.113.7", "203.0.113.7"),
        (True, "10.0.0.1, 203.0.113.7", "203.0.113.7"),
        (True, "203.0.113.7:5123", "203.0.113.7"),
        (True, "2001:db8::7", "2001:db8::7"),
        (True, "[2001:db8::7]:5123", "2001:db8::7"),
        (True, "::ffff:203.0.113.7", "203.0.113.7"),
        (True, "fe80::1%eth0", "fe80::1"),
        (True, "203.0.113.7, <script>", None),
        (True, "", "198.51.100.4"),
    ],
)
def test_but_where_the_deployment_wants_it(
    owner_reads: Client, omni: StandIn, settings: Settings, behind_proxy: bool, forwarded: str, address: str | None
) -> None:
    settings.AUDIT_IP, settings.BEHIND_PROXY = True, behind_proxy
    owner_reads.get(THREAD, headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="198.51.100.4")
    assert noted("address") == [(address,)]
    shown = f"From {address}<" in text_of(owner_reads.get("/activity/"))
    assert shown == (address is not None)


def test_a_line_for_the_logs_says_less(
    owner: User, owner_reads: Client, omni: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "omniviewer.audit"):
        owner_reads.get(f"{THREAD}?ticket=SUP-17")
    [line] = [record for record in caplog.records if record.name == "omniviewer.audit"]
    said = vars(line)
    assert (line.getMessage(), line.levelname) == ("audit", "INFO")
    assert (said["kind"], said["result"], said["user_id"]) == ("opened", "ok", owner.pk)
    assert said["number"] == Event.objects.get().pk
    assert not re.search(rf"{EXAMPLE}|SUP-17|owner", json.dumps(said, default=str))


# Never the reason why a page fails ------------------------------------------------------------------------


def test_a_page_is_shown_without_the_table(
    owner: User, owner_reads: Client, omni: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event RENAME TO elsewhere")
    answer = owner_reads.get(THREAD)
    assert answer.status_code == 200
    assert text_of(answer).count("<article") == 4
    assert Client().post("/sign-in/", {"username": "owner", "password": PASSWORD}).status_code == 302
    lost = [record for record in caplog.records if record.name == "omniviewer.audit"]
    assert [(record.levelname, vars(record)["kind"]) for record in lost] == [
        ("ERROR", "opened"),
        ("ERROR", "signed-in"),
    ]
    assert vars(lost[0])["error"] == "OperationalError" if connection.vendor == "sqlite" else "ProgrammingError"
    assert EXAMPLE not in str(vars(lost[0]))


@pytest.mark.django_db(transaction=True)
def test_a_page_is_shown_while_somebody_else_holds_the_table(
    owner: User, omni: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    client = signed_in(owner)
    client.get(THREAD)
    with held():
        answer = client.get(THREAD)
    assert answer.status_code == 200
    assert text_of(answer).count("<article") == 4
    assert len(noted()) == 1
    assert "ERROR" in {record.levelname for record in caplog.records if record.name == "omniviewer.audit"}
    client.get(THREAD)
    assert len(noted()) == 2


class held:  # noqa: N801  (read as a verb)
    """A block in which another connection holds the lock that a writer needs; ours does not wait for it long."""

    def __enter__(self) -> None:
        self.other = connection.copy()
        self.other.set_autocommit(False)
        postgres = connection.vendor == "postgresql"
        with self.other.cursor() as cursor, connection.cursor() as ours:
            cursor.execute("LOCK TABLE audit_event" if postgres else "DELETE FROM audit_event WHERE id < 0")
            ours.execute("SET lock_timeout = 100" if postgres else "PRAGMA busy_timeout = 100")

    def __exit__(self, *_: object) -> None:
        self.other.rollback()
        self.other.close()
        connection.close()


def test_a_transaction_of_the_pages_is_not_broken(owner_reads: Client, omni: StandIn) -> None:
    """Only the failed part is undone: the test itself runs in a transaction, which goes on."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event RENAME TO elsewhere")
    with transaction.atomic():
        owner_reads.get(THREAD)
        User.objects.create_user("after")
    assert User.objects.filter(username="after").exists()


# Append only ----------------------------------------------------------------------------------------------


def test_nothing_is_changed_or_deleted(owner: User) -> None:
    row = event(user=owner)
    row.who = "somebody else"
    for change in (
        row.save,
        row.delete,
        lambda: Event.objects.update(who="x"),
        lambda: Event.objects.filter(pk=row.pk).update(who="x"),
        lambda: Event.objects.bulk_update([row], ["who"]),
        lambda: Event.objects.update_or_create(pk=row.pk, defaults={"who": "x"}),
        lambda: Event.objects.filter(pk=row.pk).delete(),
        lambda: Event.objects.all().delete(),
        lambda: owner.events.all().delete(),
    ):
        with pytest.raises(AppendOnly), transaction.atomic():
            change()
    with pytest.raises(IntegrityError, match=r"(?i)unique"), transaction.atomic():
        Event(pk=row.pk, who="x", kind=Kind.OPENED).save()
    assert noted("who", "user") == [("somebody", owner.pk)]


COLUMNS = [field.column for field in Event._meta.local_fields]


@pytest.mark.parametrize("column", COLUMNS)
def test_the_database_refuses_too(owner: User, column: str) -> None:
    other: dict[str, Any] = {
        "at": "2001-01-01",
        "id": 7000,
        "user_id": person("other").pk,
        "position": 7,
        "credential_id": 7,
        "conversation_id": UUID(NOWHERE).hex,
        "address": "203.0.113.7",
    }
    row = event(user=owner)
    before = everything()
    changes = [f"{column} = %s"] if column == "user_id" else [f"{column} = %s", f"{column} = %s, user_id = NULL"]
    with connection.cursor() as cursor:
        for change in changes:
            with pytest.raises(IntegrityError, match="The audit log is append only"), transaction.atomic():
                cursor.execute(f"UPDATE audit_event SET {change} WHERE id = {row.pk}", [other.get(column, "x")])  # noqa: S608
    assert everything() == before


def test_the_trail_of_somebody_who_was_removed_stays(owner: User, staff: Client) -> None:
    event(user=owner, who="owner")
    owner.delete()
    assert noted("who", "user") == [("owner", None)]
    assert 'owner <span class="badge">Removed</span>' in text_of(staff.get("/activity/all/"))


def test_the_admin_shows_it_and_changes_nothing(db: None) -> None:
    root = signed_in(User.objects.create_superuser("root", password=PASSWORD))
    row = event(who="somebody")
    assert "somebody" in text_of(root.get("/admin/audit/event/"))
    assert "somebody" in text_of(root.get(f"/admin/audit/event/{row.pk}/change/"))
    assert root.get("/admin/audit/event/add/").status_code == 403
    assert root.post(f"/admin/audit/event/{row.pk}/change/", {"who": "x"}).status_code == 403
    assert root.post(f"/admin/audit/event/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    root.post("/admin/audit/event/", {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert noted("who") == [("somebody",)]


# Whose is shown to whom -----------------------------------------------------------------------------------


def test_everybody_sees_their_own_alone(owner: User, stranger: User) -> None:
    event(user=owner, who="owner", ticket="MINE-1")
    event(user=stranger, who="stranger", ticket="THEIRS-1")
    event(who="owner", ticket="NAMESAKE-1")  # of a removed person of that name
    page = text_of(signed_in(owner).get("/activity/"))
    assert "MINE-1" in page
    assert "THEIRS-1" not in page
    assert "NAMESAKE-1" not in page
    assert "/activity/all/" not in page


def test_ones_own_activity_has_a_column_for_results_where_something_failed(owner: User, staff: Client) -> None:
    result = '<th scope="col">Result</th>'
    event(user=owner, who="owner")
    assert result not in text_of(signed_in(owner).get("/activity/"))
    assert result in text_of(staff.get("/activity/all/"))
    event(user=owner, who="owner", result="away")
    assert result in text_of(signed_in(owner).get("/activity/"))


# Titles, to those who may see them ------------------------------------------------------------------------


def test_ones_own_activity_tells_titles(owner: User, owner_reads: Client) -> None:
    owner_reads.get("/conversations/")
    owner_reads.get(THREAD)
    page = text_of(owner_reads.get("/activity/"))
    assert f'<a href="/conversations/{EXAMPLE}/" dir="auto">{TITLE}</a>' in page
    # The id stands where there is no title.
    assert f"<code>{EXAMPLE}" not in page
    ApiToken.objects.update(rejected_at=timezone.now())
    page = text_of(owner_reads.get("/activity/"))
    assert TITLE not in page
    assert f'<a href="/conversations/{EXAMPLE}/"><code>{EXAMPLE}</code></a>' in page


def test_an_auditor_reads_the_titles_that_omni_shows_them(owner_reads: Client, omni: StandIn) -> None:
    """Auditing gives no right to a title: only a token of the auditor's own does."""
    auditor = User.objects.create_user("eve", password=PASSWORD, is_auditor=True)
    client = signed_in(auditor)
    owner_reads.get(THREAD)
    # The thread route does not tell the name: the last question stands for it.
    title = "Show me revenue by month for sunglasses"
    page = text_of(client.get("/activity/all/"))
    assert EXAMPLE in page
    assert title not in page
    credential_for(auditor, omni, omni.organization.organization_key())
    client.get(THREAD)
    assert title in text_of(client.get("/activity/all/"))
    assert title not in client.get("/activity/all/csv/").getvalue().decode()


def test_titles_are_looked_up_at_once(
    owner_reads: Client, owner: User, omni: StandIn, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    owner_reads.get("/conversations/")
    first, *others = Conversation.objects.values_list("omni_id", flat=True)[:20]
    assert others
    event(user=owner, conversation_id=first)
    owner_reads.get("/activity/")
    with CaptureQueriesContext(connection) as one:
        owner_reads.get("/activity/")
    for omni_id in (*others, UUID(NOWHERE)):
        event(user=owner, conversation_id=omni_id)
    with django_assert_num_queries(len(one)):
        page = text_of(owner_reads.get("/activity/"))
    assert page.count(' dir="auto">') > len(others)


def test_a_title_is_hostile_text_too(owner: User, small: Organization, small_omni: StandIn) -> None:
    member = small.add_member("Ana", "ana@small.example")
    made = small.add_conversation(owner=member, name="<b>Loss\u202egnp.exe", turns=[("Why?", "So.")])
    credential_for(owner, small_omni, small.personal_token(member))
    client = signed_in(owner)
    client.get("/conversations/")
    client.get(f"/conversations/{made.id}/")
    page = text_of(client.get("/activity/"))
    assert "&lt;b&gt;Loss" in page
    assert "\u202e" not in page


@pytest.mark.parametrize("address", ["/activity/all/", "/activity/all/csv/"])
def test_the_log_is_for_staff(owner: User, staff: Client, address: str) -> None:
    answer = signed_in(owner).get(address)
    assert answer.status_code == 403
    assert "Your account does not have access to this page" in text_of(answer)
    assert staff.get(address).status_code == 200
    assert staff.post(address).status_code == 405


def test_the_menu_leads_there(owner: User, staff: Client) -> None:
    assert 'href="/activity/"' in text_of(signed_in(owner).get("/credentials/"))
    assert 'href="/activity/all/"' in text_of(staff.get("/credentials/"))


def test_nothing_yet(owner: User, staff: Client) -> None:
    assert "No events yet" in text_of(signed_in(owner).get("/activity/"))
    assert "No events yet" in text_of(staff.get("/activity/all/"))


def test_names_are_text(staff: Client) -> None:
    event(who="<script>alert(1)</script>", ticket="<b>")
    page = text_of(staff.get("/activity/all/"))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>" not in page


# Filters --------------------------------------------------------------------------------------------------


@pytest.fixture
def three(staff: Client) -> None:
    event(
        "ana", Kind.OPENED, conversation_id=UUID(EXAMPLE), ticket="SUP-17", at=datetime(2026, 1, 1, 23, 30, tzinfo=UTC)
    )
    event("Marcus", Kind.SIGNED_IN, at=datetime(2026, 1, 2, 12, 0, tzinfo=UTC))
    event("diana", Kind.OPENED, result="not-shown", at=datetime(2026, 1, 3, 22, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["diana", "Marcus", "ana"]),
        ({"who": "ana"}, ["diana", "ana"]),
        ({"who": "MARC"}, ["Marcus"]),
        ({"kind": "opened"}, ["diana", "ana"]),
        ({"result": "ok"}, ["Marcus", "ana"]),
        ({"result": "not-ok"}, ["diana"]),
        ({"conversation": EXAMPLE}, ["ana"]),
        ({"conversation": f" https://x.test/conversations/{EXAMPLE.upper()}/messages/2/ "}, ["ana"]),
        ({"ticket": "SUP-17"}, ["ana"]),
        ({"ticket": "sup-17"}, ["ana"]),
        ({"ticket": "SUP-1"}, []),
        ({"since": "2026-01-02"}, ["diana", "Marcus"]),
        ({"until": "2026-01-02"}, ["Marcus", "ana"]),
        ({"since": "2026-01-02", "until": "2026-01-02"}, ["Marcus"]),
        ({"who": "ana", "kind": "opened", "result": "ok", "ticket": "SUP-17", "since": "2026-01-01"}, ["ana"]),
        ({"who": "ana", "kind": "signed-in"}, []),
    ],
)
def test_it_finds(staff: Client, three: None, query: dict[str, str], found: list[str]) -> None:
    page = staff.get("/activity/all/", query)
    assert page.status_code == 200
    assert whos(page) == found
    assert [row["who"] for row in csv_of(staff.get("/activity/all/csv/", query))] == found
    assert ("No matches" in text_of(page)) == (not found)


def test_days_are_the_readers(staff: Client, three: None) -> None:
    staff.cookies["time_zone"] = "Europe/Berlin"
    assert whos(staff.get("/activity/all/", {"since": "2026-01-02", "until": "2026-01-02"})) == ["Marcus", "ana"]
    assert "2 Jan 2026, 00:30:00" in text_of(staff.get("/activity/all/", {"who": "ana"}))
    staff.cookies["time_zone"] = "Pacific/Kiritimati"
    assert whos(staff.get("/activity/all/", {"until": "2026-01-03"})) == ["Marcus", "ana"]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"kind": "eaten"}, "There is no such event."),
        ({"result": "maybe"}, "There is no such result."),
        ({"conversation": "the one on salaries"}, "This contains no conversation id"),
        ({"since": "yesterday"}, "Write a day as year-month-day"),
        ({"until": "2026-02-30"}, "Write a day as year-month-day"),
        ({"since": "0001-01-01"}, "does not reach back that far"),
        ({"until": "9999-12-31"}, "does not reach that far ahead"),
        ({"since": "2026-01-03", "until": "2026-01-02"}, "This day is before the one in “From”."),
        ({"who": "a" * 200}, "at most 150 characters"),
        ({"who": "a\0b"}, "Null characters are not allowed"),
    ],
)
def test_it_says_what_it_does_not_understand(staff: Client, three: None, query: dict[str, str], sentence: str) -> None:
    answer = staff.get("/activity/all/", {"ticket": "KEPT-1", **query})
    assert answer.status_code == 422
    page = text_of(answer)
    assert re.search(rf'<p class="error" id="id_\w+_error">[^<]*{re.escape(sentence)}', page)
    assert 'value="KEPT-1"' in page
    assert whos(answer) == []
    for name, value in query.items():
        assert name in ("kind", "result") or f'value="{value}"' in page
    download = staff.get("/activity/all/csv/", query)
    assert download.status_code == 302
    assert staff.get(download["Location"]).status_code == 422


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_first_and_the_last_day_are_days_everywhere(staff: Client, zone: str) -> None:
    staff.cookies["time_zone"] = zone
    event("ana")
    assert whos(staff.get("/activity/all/", {"since": "2000-01-01", "until": "2999-12-31"})) == ["ana"]


# Pages ----------------------------------------------------------------------------------------------------


@pytest.fixture
def many(db: None) -> None:
    Event.objects.bulk_create(Event(who=f"person-{number}", kind=Kind.OPENED) for number in range(120))


def test_a_page_is_fifty_newest_first(staff: Client, many: None) -> None:
    address, seen = "/activity/all/", list[str]()
    for length in (50, 50, 20):
        answer = staff.get(address)
        assert len(whos(answer)) == length
        seen += whos(answer)
        event("a newcomer")  # moves nothing from one page to the next
        if older := re.search(r'rel="next" href="([^"]+)"', text_of(answer)):
            address = f"/activity/all/{older.group(1)}"
    assert seen == [f"person-{number}" for number in reversed(range(120))]
    assert "End of the log" in text_of(answer)
    assert older is None


def test_older_and_newest_keep_the_filters(staff: Client, many: None) -> None:
    page = text_of(staff.get("/activity/all/", {"who": "person", "kind": "opened"}))
    assert re.search(r'rel="next" href="\?who=person&amp;kind=opened&amp;before=\d+"', page)
    page = text_of(staff.get("/activity/all/", {"who": "person", "before": str(Event.objects.all()[60].pk)}))
    assert '<a class="button" href="?who=person">⇤ Newest</a>' in page
    assert 'href="/activity/all/csv/?who=person"' in page


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 40])
def test_a_place_that_makes_no_sense_is_the_newest(staff: Client, many: None, before: str) -> None:
    assert whos(staff.get("/activity/all/", {"before": before}))[0] == "person-119"
    assert staff.get("/activity/", {"before": before}).status_code == 200


def test_exactly_a_page_has_no_older_one(staff: Client) -> None:
    Event.objects.bulk_create(Event(who="x", kind=Kind.OPENED) for _ in range(50))
    assert 'rel="next"' not in text_of(staff.get("/activity/all/"))
    event()
    assert 'rel="next"' in text_of(staff.get("/activity/all/"))


@pytest.mark.parametrize("address", ["/activity/", "/activity/all/"])
def test_its_queries_do_not_grow(
    staff: Client, django_assert_num_queries: DjangoAssertNumQueries, address: str
) -> None:
    reader = User.objects.get()
    staff.get(address)
    # The session, the reader, the events; for events of conversations, the reader's credentials besides.
    for count in (3, 4, 4):
        with django_assert_num_queries(count):
            staff.get(address)
        Event.objects.bulk_create(
            Event(who="auditor", user=reader, kind=Kind.OPENED, conversation_id=UUID(EXAMPLE)) for _ in range(60)
        )


# CSV ------------------------------------------------------------------------------------------------------


def test_the_file(owner: User, staff: Client) -> None:
    event(
        user=owner,
        who="owner",
        conversation_id=UUID(EXAMPLE),
        position=2,
        ticket="SUP-17",
        instance="x.omniapp.co",
        address="203.0.113.7",
        at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    )
    staff.cookies["time_zone"] = "Asia/Tokyo"
    answer = staff.get("/activity/all/csv/")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="audit-20\d\d-\d\d-\d\d\.csv"', answer["Content-Disposition"])
    assert "no-store" in answer["Cache-Control"]
    assert csv_of(answer) == [
        {
            "time": "2026-01-02T03:04:05.678+00:00",
            "who": "owner",
            "event": "opened",
            "result": "ok",
            "conversation": EXAMPLE,
            "message": "2",
            "ticket": "SUP-17",
            "by": "",
            "instance": "x.omniapp.co",
            "credential": "",
            "address": "203.0.113.7",
            "whom": "",
            "fields": "",
        }
    ]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(staff: Client, sign: str) -> None:
    nasty = f'{sign}HYPERLINK("https://x.test?"&A1,"a")'
    event(who=nasty, ticket=nasty)
    [row] = csv_of(staff.get("/activity/all/csv/"))
    assert (row["who"], row["ticket"]) == (f"'{nasty}", f"'{nasty}")


def test_it_is_sent_while_it_is_read(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    Event.objects.bulk_create(Event(who=f"person-{number}", kind=Kind.OPENED) for number in range(2500))
    read = list[int]()

    def instances(cls: type[Event], *row: Any, **how: Any) -> Any:
        read.append(1)
        return made(cls, *row, **how)

    made = Event.from_db.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(Event, "from_db", classmethod(instances))
    answer = staff.get("/activity/all/csv/")
    assert isinstance(answer, StreamingHttpResponse)
    sent = iter(answer)
    next(sent)
    assert len(read) == 0
    assert b"person-2499" in next(sent)
    assert len(read) <= 1000
    assert sum(1 for _ in sent) == 2499


# Its end --------------------------------------------------------------------------------------------------


@pytest.fixture
def ages(db: None) -> None:
    for days in (400, 366, 364, 0):
        event(who=f"{days} days ago", at=timezone.now() - timedelta(days=days))


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    call_command("prune_audit", *words)
    return capsys.readouterr().out.strip()


def test_what_is_past_its_time_is_deleted(ages: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--dry-run") == "2 events older than 365 days would be deleted."
    assert Event.objects.count() == 4
    assert said(capsys) == "2 events older than 365 days deleted."
    assert noted("who") == [("364 days ago",), ("0 days ago",)]
    assert said(capsys) == "0 events older than 365 days deleted."


def test_so_is_the_log_of_the_administration(owner: User, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that staff do there adds rows without end."""
    for days in (366, 364):
        entry = LogEntry.objects.create(user=owner, action_flag=CHANGE, object_repr=str(days))
        LogEntry.objects.filter(pk=entry.pk).update(action_time=timezone.now() - timedelta(days=days))
    assert said(capsys, "--dry-run") == "1 event older than 365 days would be deleted."
    assert said(capsys) == "1 event older than 365 days deleted."
    assert LogEntry.objects.get().object_repr == "364"


def test_in_batches(ages: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_audit, "BATCH", 1)
    assert said(capsys) == "2 events older than 365 days deleted."
    assert Event.objects.count() == 2
    assert Event.objects.older_than(timezone.now()).forget(1) == 1
    assert noted("who") == [("0 days ago",)]


def test_the_deployment_says_when(ages: None, capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    settings.AUDIT_DAYS = 390
    assert said(capsys) == "1 event older than 390 days deleted."
    settings.AUDIT_DAYS = 0
    assert "kept for ever" in said(capsys)
    settings.AUDIT_DAYS = -1
    with pytest.raises(CommandError, match="is a number of days"):
        said(capsys)
    assert Event.objects.count() == 3


# In the browser -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(chromium: Browser, site: str, scheme: str, width: int) -> None:
    User.objects.create_user("auditor", password=PASSWORD, is_staff=True)
    event("an-analyst-with-a-rather-long-name@example.com", conversation_id=UUID(EXAMPLE), position=12, ticket="SUP-17")
    event("auditor", Kind.REFUSED, result="wrong-password", by="password", address="2001:db8::7")
    event("", Kind.REFUSED, result="unknown-name", by="password")
    event("auditor", Kind.CREDENTIAL_ADDED, instance="a-rather-long-company-name.eu.omniapp.co", credential_id=12)
    with chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:  # type: ignore[arg-type]
        page = context.new_page()
        sign_in(page, site, "auditor", at="/activity/")
        for name, address in {
            "mine": "/activity/",
            "everybody’s": "/activity/all/",
            "nothing": "/activity/all/?who=nobody",
            "wrong": "/activity/all/?since=yesterday&kind=eaten",
        }.items():
            page.goto(site + address)
            assert_accessible(page, name)


@pytest.mark.django_db(transaction=True)
def test_staff_look_for_something(page: Page, site: str) -> None:
    User.objects.create_user("auditor", password=PASSWORD, is_staff=True)
    event("ana", conversation_id=UUID(EXAMPLE))
    event("marcus")
    sign_in_by_form(page, site, "auditor")
    page.get_by_text("auditor", exact=True).first.click()
    page.get_by_role("banner").get_by_role("link", name="Audit log").click()
    expect(page.locator(".events tbody tr:not(.event-day)")).to_have_count(3)
    page.get_by_label("Who").fill("ana")
    page.get_by_label("Event", exact=True).select_option("Opened a conversation")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".events tbody tr:not(.event-day)")).to_have_count(1)
    expect(page.get_by_label("Who")).to_have_value("ana")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert EXAMPLE in download.value.path().read_text()
    page.get_by_role("link", name="Clear").click()
    expect(page.locator(".events tbody tr:not(.event-day)")).to_have_count(3)
