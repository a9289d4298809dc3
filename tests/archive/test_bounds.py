"""Every input costs bounded time and memory: Omni's answers and readers' requests.

Time is a processor's, so that a busy machine changes nothing; memory is what Python holds at the worst moment.
Elsewhere: Markdown in test_rendering (`SHAPES`), pixels of a PNG in test_evidence, a large zip in test_bundle, what
drips and never ends in test_faults, large results in test_evidence and test_search.
"""

import contextlib
import gzip
import socket
import subprocess
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from conversations import rendering
from conversations.exports import document
from conversations.search import documents
from conversations.tables import parsing
from conversations.tables.parsing import NoTable
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Member
from omniviewer.omni import Client as OmniClient
from omniviewer.omni import Token, Unreadable
from omniviewer.omni.errors import OmniError
from tests.captured import answered, thread
from tests.conftest import EXAMPLE, signed_in, text_of
from tests.programs import free_port, need
from tests.serving import serve

THREAD = f"/conversations/{EXAMPLE}/"
MB = 1_000_000
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def dialect() -> str:
    return "reference"


@contextmanager
def bounded(seconds: float, megabytes: float) -> Iterator[None]:
    """Fail if the block takes more processor time or memory. Tracing makes the block about four times as slow."""
    tracemalloc.start()
    began = time.thread_time()
    try:
        yield
        took, peak = time.thread_time() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert took < seconds, f"{took:.1f} s"
    assert peak < megabytes * MB, f"{peak / MB:.0f} MB"


# Answers of Omni's ----------------------------------------------------------------------------------------

BOMBS = {
    "a wide header over short rows": "," * 2_000 + "\n" + "a\n" * 20_000,
    "short rows, and a wide one at the end": "a\n" * 20_000 + "," * 2_000,
    "a million columns": "," * MB,
    "a column beyond the widest": "," * parsing.WIDEST,
    "a quote that never ends": '"' + "a,\n" * MB,
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_csv_that_would_not_fit_is_no_table(what: str) -> None:
    with bounded(seconds=8, megabytes=120):
        try:
            table = parsing.read(BOMBS[what])
        except NoTable:
            return
        assert len(table.columns) * max(len(table.rows), 1) < parsing.LARGEST
        assert len(table.columns) == 1, "a header alone, which has no end"


@pytest.mark.parametrize("cell", ["1" * 59 + "x", "(" * 59, "1,111" * 11, "'" * 50, " " * 59])
def test_many_columns_are_judged_by_few_rows(cell: str) -> None:
    text = ("x" + ",x" * 4_999 + "\n") + (f'"{cell}"' + f',"{cell}"' * 4_999 + "\n") * 100
    with bounded(seconds=12, megabytes=260):
        table = parsing.read(text)
        table.sorted_by(1)
    assert len(table.columns) == 5_000


@pytest.fixture
def omni_client(omni: StandIn) -> OmniClient:
    token = Token(omni.organization.demo_tokens["lead"])
    return OmniClient(omni.host, token, timeout=20.0, max_body=20 * MB)


def zipped(data: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        data = gzip.compress(data, compresslevel=1)
    return data


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


SPACES = b" " * 60 * MB
PACKED = {
    "gzip": ("gzip", zipped(SPACES)),
    "deflate": ("deflate", deflated(SPACES)),
    "gzip within gzip": ("gzip, gzip", zipped(SPACES, 2)),
    "five of them": ("gzip, gzip, gzip, gzip, gzip", zipped(SPACES, 5)),
    "more than anybody unpacks": (", ".join(["gzip"] * 40), zipped(b"{}", 40)),
    "br that is none": ("br", SPACES[:MB]),
    "zstd that is none": ("zstd", SPACES[:MB]),
    "gzip that is none": ("gzip", b"{}"),
    "deflate that is none": ("deflate", b"{}" * 1000),
    "an encoding of its own": ("x" * 10_000, b"{}x"),
}


@pytest.mark.parametrize("what", PACKED)
def test_a_small_reply_does_not_become_a_large_one(omni: StandIn, omni_client: OmniClient, what: str) -> None:
    encoding, payload = PACKED[what]
    omni.fail(Fault.status(200, payload, headers={"Content-Encoding": encoding}), path="")
    with bounded(seconds=8, megabytes=70), pytest.raises(OmniError):
        omni_client.whoami()


@pytest.mark.parametrize("piece", [b"{}", b"[]", b'{"a":[]}'])
def test_a_reply_of_very_many_pieces_is_not_read(omni: StandIn, omni_client: OmniClient, piece: bytes) -> None:
    body = b'{"messages":[' + b",".join([piece] * (2 * MB + 1)) + b"]}"
    omni.fail(Fault.body(body), path="")
    with bounded(seconds=4, megabytes=60), pytest.raises(Unreadable, match="more parts"):
        omni_client.conversation(UUID(EXAMPLE))


@pytest.mark.parametrize("depth", [40, 300, 900, 5_000, 500_000])
@pytest.mark.parametrize("halves", ["[]", '{"a":}', '[{"a":}]'])
def test_however_deep_json_is_there_is_a_page(owner_reads: Client, omni: StandIn, depth: int, halves: str) -> None:
    opening, closing = halves[: (len(halves) + 1) // 2], halves[(len(halves) + 1) // 2 :]
    if halves == '{"a":}':
        opening, closing = '{"a":', "}"
    deep = opening * depth + "1" + closing * depth
    for body in (
        deep,
        '{"messages":' + deep + "}",
        '{"data":' + deep + "}",
        f'{{"id":"{EXAMPLE}","messages":[{deep}]}}',
    ):
        omni.recover()
        omni.fail(Fault.body(body.encode()), path="/v1")
        for address in ("/conversations/?refresh=1", f"{THREAD}?refresh=1"):
            assert owner_reads.get(address).status_code in (200, 302, 404, 503)


@pytest.mark.parametrize("depth", [30, 100, 250])
def test_however_deep_a_query_is_it_is_shown_and_exported(owner_reads: Client, omni: StandIn, depth: int) -> None:
    def deepen(reply: dict[str, Any]) -> dict[str, Any]:
        inner: Any = "\ud800"
        for _ in range(depth):
            inner = {"a": [inner]}
        reply["actions"][0]["result"] = {"query": {"fields": ["x", inner], "\udfff": inner}, "csvResult": "a,b\n1,2\n"}
        return reply

    omni.fail(Fault.edit(deepen), path="/v1/ai/jobs/")
    omni._now = datetime(2025, 1, 16, tzinfo=UTC)
    assert owner_reads.get(f"{THREAD}messages/2/evidence/").status_code == 200
    for address in (f"{THREAD}print/", f"/conversations/{EXAMPLE}.html", f"/conversations/{EXAMPLE}.zip"):
        answer: Any = owner_reads.get(address)
        assert answer.status_code == 200
        assert answer.getvalue()


HEADERS = {
    "one of a megabyte": {"X-Large": "x" * MB},
    "a thousand": {f"X-{number}": "x" for number in range(1_000)},
    "ninety large ones": {f"X-{number}": "x" * 60_000 for number in range(90)},
    "an absurd wait": {"Retry-After": "9" * 60_000},
    "a cookie jar": {"Set-Cookie": "a=" + "b" * 60_000},
    "a long type": {"Content-Type": "x/" + "y" * 60_000},
}


@pytest.mark.parametrize("status", [200, 429, 503])
@pytest.mark.parametrize("what", HEADERS)
def test_headers_of_any_size_are_an_answer_or_none(
    omni: StandIn, omni_client: OmniClient, what: str, status: int
) -> None:
    omni.fail(Fault.status(status, {"keyScope": "organization"}, headers=HEADERS[what]), path="")
    with bounded(seconds=4, megabytes=60):
        try:
            said = omni_client.whoami().scope
        except OmniError as error:
            said = error.sentence
    assert len(said) < 200


def test_a_thread_without_end_is_read_as_far_as_its_bound(omni: StandIn, omni_client: OmniClient) -> None:
    reply = {"id": EXAMPLE, "messages": [{"role": "user", "content": "a"}] * 10_001}
    omni.fail(Fault.body(reply), path="/v1/ai/conversations/")
    read = omni_client.conversation(UUID(EXAMPLE))
    assert len(read.messages) == 10_000
    assert read.shortfall == "This conversation has 10,001 messages: the first 10,000 are shown."
    omni.fail(Fault.body({"data": [{"id": EXAMPLE}] * 2_001, "pageInfo": {}}), path="/v1/ai/conversations")
    page = omni_client.conversations()
    assert (len(page.conversations), page.unreadable) == (2_000, 1)


def test_the_answers_of_a_thread_share_an_allowance(
    reads: Client, small: Organization, analyst: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "OF_A_CONVERSATION", 1.0)
    turns = [(f"Question {number}?", f"The end of {number}.\n\n" + ("[" * 1_500 + "\n\n") * 40) for number in range(16)]
    found = small.add_conversation(owner=analyst, name="Dear", turns=turns)
    began = time.thread_time()
    page = text_of(reads.get(thread(found)))
    assert time.thread_time() - began < 6
    assert page.count("This answer is too intricate to format") in range(1, 8)
    assert page.count("so from here on its answers are shown as plain text") >= 8
    assert all(f"The end of {number}." in page for number in range(16)), "no answer is lost"


def test_a_file_holds_only_so_many_pictures(
    reads: Client, small: Organization, analyst: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "MAX_PICTURE_BYTES", 1_000)
    found = answered(small, analyst, ages=[timedelta(hours=2), timedelta(hours=1)])
    for place in (2, 4):
        reads.get(f"{thread(found)}messages/{place}/evidence/")
    page = reads.get(f"/conversations/{found.id}.html").content.decode()
    assert page.count("<img src=") == 1
    assert page.count("Its chart, if any, is left out") == 1


# Requests of readers --------------------------------------------------------------------------------------

QUERIES = {
    "a long word": "q=" + "x" * 200_000,
    "a long phrase": "q=%22" + "a+" * 50_000 + "%22",
    "many words": "q=" + "+".join(f"w{number}" for number in range(20_000)),
    "many filters": "q=" + "+".join(f"owner:a{number}" for number in range(20_000)),
    "many prefixes": "q=" + "a*+" * 20_000,
    "many negations": "q=" + "-a+" * 20_000,
    "quotes": "q=" + "%22" * 50_000,
    "marks": "q=" + "%CC%81" * 30_000,
    "a large number": "before=" + "9" * 50_000,
    "many times the same": "&".join(["q=a"] * 900),
}


@pytest.mark.parametrize("what", QUERIES)
@pytest.mark.parametrize("address", ["/conversations/", THREAD, "/open"])
def test_a_long_question_is_answered(owner_reads: Client, address: str, what: str) -> None:
    owner_reads.get("/conversations/")
    began = time.thread_time()
    answer = owner_reads.get(f"{address}?{QUERIES[what]}")
    assert time.thread_time() - began < 5
    assert answer.status_code in (200, 302, 400, 422)
    # Seventy times the query's size, because each link repeats it. An address has 8 KB at most.
    assert len(answer.content) < 6 * MB


@pytest.mark.parametrize("address", ["/conversations/", THREAD, "/open", "/activity/", "/sign-in/"])
def test_thousands_of_parameters_are_refused(owner_reads: Client, address: str) -> None:
    query = "&".join(f"a{number}=1" for number in range(5_000))
    assert owner_reads.get(f"{address}?{query}").status_code == 400


def test_a_large_form_is_refused(owner_reads: Client) -> None:
    assert owner_reads.post("/conversations/selected/", "next=" + "x" * 3 * MB, content_type=FORM).status_code == 400
    fields = {f"a{number}": "1" for number in range(5_000)}
    assert owner_reads.post("/conversations/selected/", fields).status_code == 400


class Counted(BytesIO):
    """A file that counts how much of it was read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.count += len(piece)
        return piece


def test_a_file_that_is_sent_is_neither_read_nor_written(rf: RequestFactory) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\nContent-Type: x/y\r\n\r\n'
    body = Counted(head + b"x" * 50 * MB + b"\r\n--b--\r\n")
    size = len(body.getvalue())
    request = rf.generic("POST", "/sign-in/", b"", content_type="multipart/form-data; boundary=b")
    request.META |= {"CONTENT_LENGTH": str(size), "wsgi.input": body}
    request._stream = body
    assert dict(request.POST) == {}
    assert dict(request.FILES) == {}
    assert body.count < MB


def test_a_thousand_sessions_cost_a_page_nothing(
    owner: User,
    owner_reads: Client,
    django_assert_num_queries: DjangoAssertNumQueries,
    django_assert_max_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Stop the clock: the page stays fresh however long a thousand sign-ins take.
    stopped = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: stopped)
    monkeypatch.setattr(time, "time", stopped.timestamp)
    owner_reads.get("/conversations/")
    # A page indexes for a moment only: on a slow machine, some texts would be left for the next.
    documents.refresh(seconds=60)
    with django_assert_max_num_queries(60) as before:
        owner_reads.get("/conversations/")
    others = [signed_in(owner) for _ in range(1_000)]
    with django_assert_num_queries(len(before)):
        owner_reads.get("/conversations/")
    owner.end_sessions()
    assert [other.get("/conversations/").status_code for other in others[:3]] == [302] * 3
    Session.objects.update(expire_date=stopped - timedelta(seconds=1))
    call_command("clearsessions")
    assert not Session.objects.exists()


def test_who_is_not_signed_in_leaves_no_session_behind(db: None) -> None:
    for number in range(100):
        Client().get(("/", "/sign-in/", "/conversations/", THREAD, "/healthz")[number % 5])
    assert not Session.objects.exists()


# Behind a proxy, as it is deployed ------------------------------------------------------------------------

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {site}; proxy_set_header Host localhost; }} }}
}}
"""
SLOW = (
    b"GET /conversations/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    b"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\nabc",
    b"G",
    b"",
)


@pytest.mark.django_db(transaction=True)
def test_slow_clients_hold_up_the_proxy_and_not_the_site(tmp_path: Path) -> None:
    program = need("nginx", "nginx", "/usr/sbin/nginx")
    folder, port = tmp_path / "nginx", free_port()
    folder.mkdir()
    with serve(tmp_path, workers=1, threads=2) as site, ExitStack() as slow:
        user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, site=site.url, user=user))
        command = [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
        proxy = slow.enter_context(subprocess.Popen(command))
        slow.callback(proxy.terminate)
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        for number in range(100):
            client = slow.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client.sendall(SLOW[number % len(SLOW)])
        for _ in range(5):
            assert requests.get(f"http://127.0.0.1:{port}/sign-in/", timeout=10).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_address_is_as_long_as_what_people_paste_and_no_longer(tmp_path: Path, owner: User) -> None:
    with serve(tmp_path, workers=1, threads=2) as site:
        reader = site.reader(owner)
        assert reader.get(f"{site.url}/open?q={'x' * 8_000}", timeout=20).status_code == 422
        assert reader.get(f"{site.url}/open?q={'x' * 20_000}", timeout=20).status_code in (400, 414)
        assert reader.get(f"{site.url}/open", headers={"X-Large": "x" * 20_000}, timeout=20).status_code in (400, 431)
        many = {f"X-{number}": "x" for number in range(200)}
        assert reader.get(f"{site.url}/open", headers=many, timeout=20).status_code in (400, 431)
