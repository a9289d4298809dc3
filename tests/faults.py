"""Every fault that a page can meet, one row each: how to cause it, and its consequences.

`tests/archive/test_faults.py` makes each happen over real HTTP or a real socket. `python -m tests.faults` prints the table for
people, as it stands in `.readme/faults.md`.
"""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from omniviewer.demo.stand_in import Fault, StandIn

PAGE = Path(__file__).resolve().parent.parent / ".readme" / "faults.md"

KEPT = "The kept conversation, with a notice"
NOTHING = "Nothing of it"
STORED = "The messages as they were stored"
NEW = "The conversation as Omni returns it now"

REFUSED = "The connection is refused"


@dataclass(frozen=True)
class Row:
    """A fault. `sentence`: what the reader sees; `status`: with nothing stored; `log`: the logged outcome.

    `fault` is what the stand-in does; where that is not enough, `elsewhere` names what listens in its place.
    """

    name: str
    sentence: str
    status: int
    stays: str
    log: str
    fault: Fault | None = None
    elsewhere: str = ""
    # The sentence if the conversation was stored before the fault, where it differs.
    when_kept: str = ""


def _edit_message(position: int = 2, **fields: Any) -> Fault:
    """Replace fields of one message, under the dialect's own names; `...` removes a field."""

    def change(reply: Any) -> Any:
        message = reply["messages"][position - 1]
        names = {
            "text": "content" if "content" in message else "text",
            "at": "timestamp" if "timestamp" in message else "createdAt",
        }
        for name, value in fields.items():
            if value is ...:
                message.pop(names.get(name, name), None)
            else:
                message[names.get(name, name)] = value
        return reply

    return Fault.edit(change)


def _edit(change: Callable[[dict[str, Any]], Any]) -> Fault:
    def changed(reply: Any) -> Any:
        change(reply)
        return reply

    return Fault.edit(changed)


def _twice(reply: dict[str, Any]) -> None:
    reply["messages"].insert(1, dict(reply["messages"][0]))


NO_JSON = "does not speak Omni’s API (it sent no JSON)."
NOT_DOCUMENTED = "The reply was not in the form that Omni documents"
PROBLEM = "Omni has a problem (it returned {})."
NOT_ACCEPTED = "Omni did not accept the request (it returned {})."
LIMIT = "This token has reached Omni’s limit of requests per minute."
NOT_SHOWN = "You can’t open this conversation"
REJECTED = "Omni no longer accepts your token"

ROWS = [
    # The way to Omni
    Row(REFUSED, "Omni cannot be reached: the connection was refused.", 503, KEPT, "refused", elsewhere="nothing"),
    Row("There is no such host", "Omni cannot be reached: there is no such host.", 503, KEPT, "no-such-host", elsewhere="no host"),
    Row("Its TLS certificate is wrong", "Omni cannot be reached safely: this site does not trust its certificate. Where the company has a certificate authority of its own, REQUESTS_CA_BUNDLE has to name its file.", 503, KEPT, "tls", elsewhere="wrong certificate"),
    Row("The connection is not taken in time", "Omni cannot be reached: the connection timed out.", 503, KEPT, "connect-timeout", elsewhere="full"),
    Row("No answer comes in time", "Omni did not reply in time.", 503, KEPT, "read-timeout", Fault.delay(3.0)),
    Row("The headers drip", "Omni did not finish its reply in time.", 503, KEPT, "deadline", elsewhere="dripping headers"),
    Row("The body drips, a byte at a time", "Omni did not finish its reply in time.", 503, KEPT, "deadline", Fault.drip(0.1)),
    Row("The connection breaks off mid-body", "The connection to Omni broke off before its reply was complete.", 503, KEPT, "cut", Fault.cut(after=40)),
    Row("It redirects to another host", "does not speak Omni’s API (it returned 302).", 503, KEPT, "302", Fault.redirect("http://127.0.0.1:1/elsewhere")),
    # Statuses
    Row("400", NOT_ACCEPTED.format(400), 503, KEPT, "400", Fault.status(400)),
    Row("401", REJECTED, 403, NOTHING, "401", Fault.status(401)),
    Row("403", NOT_SHOWN, 404, NOTHING, "403", Fault.status(403)),
    Row("404", NOT_SHOWN, 404, NOTHING, "404", Fault.status(404)),
    Row("409", NOT_ACCEPTED.format(409), 503, KEPT, "409", Fault.status(409)),
    Row("410", NOT_SHOWN, 404, NOTHING, "410", Fault.status(410)),
    Row("422", NOT_ACCEPTED.format(422), 503, KEPT, "422", Fault.status(422)),
    Row("429, `Retry-After` in seconds", LIMIT, 429, KEPT, "429", Fault.status(429, headers={"Retry-After": "20"})),
    Row("429, `Retry-After` as a date", LIMIT, 429, KEPT, "429", Fault.status(429, headers={"Retry-After": "Mon, 12 Oct 2099 09:30:00 GMT"})),
    Row("429, an absurd `Retry-After`", LIMIT, 429, KEPT, "429", Fault.status(429, headers={"Retry-After": "99999999999999"})),
    Row("429 without `Retry-After`", LIMIT, 429, KEPT, "429", Fault.status(429)),
    Row("500", PROBLEM.format(500), 503, KEPT, "500", Fault.status(500)),
    Row("502", PROBLEM.format(502), 503, KEPT, "502", Fault.html(502)),
    Row("503", PROBLEM.format(503), 503, KEPT, "503", Fault.status(503)),
    Row("504", PROBLEM.format(504), 503, KEPT, "504", Fault.html(504)),
    # Faulty bodies
    Row("HTML with status 200", NO_JSON, 503, KEPT, "no-json", Fault.html(200)),
    Row("An empty body", NO_JSON, 503, KEPT, "no-json", Fault.empty()),
    Row("Truncated JSON", NO_JSON, 503, KEPT, "no-json", Fault.truncated_json()),
    Row("JSON of another shape", NOT_DOCUMENTED, 503, KEPT, "shape", Fault.body({"hello": "world"})),
    Row("A list in place of an object", NOT_DOCUMENTED, 503, KEPT, "shape", Fault.body([])),
    Row("Another conversation than the one asked for", "Omni returned a different conversation than the one that was requested.", 503, KEPT, "shape", Fault.body({"id": "00000000-0000-4000-8000-000000000000", "messages": []})),
    Row("No list of messages", "Omni sent this conversation without its messages.", 200, STORED, "200", _edit(lambda reply: reply.pop("messages"))),
    Row("A message that is no object", "1 of the 5 messages could not be read", 200, NEW, "200", _edit(lambda reply: reply["messages"].append(7))),
    Row("Nothing in a message's place", "2 of the 6 messages could not be read", 200, NEW, "200", _edit(lambda reply: reply["messages"].__setitem__(slice(1, 1), [None, {}]))),
    Row("More than `OMNIVIEWER_MAX_BODY`", "Omni’s reply is larger than the 1 MB that this site reads.", 503, KEPT, "too-large", Fault.huge(3_000_000)),
    Row("A gzip bomb", "Omni’s reply is larger than the 1 MB that this site reads.", 503, KEPT, "too-large", Fault.gzip_bomb(50_000_000)),
    # Faulty messages
    Row("Missing fields", "No time given", 200, NEW, "200", _edit_message(at=..., jobId=..., omniChatUrl=...)),
    Row("Null content", "Omni returned no text for this answer.", 200, NEW, "200", _edit_message(text=None)),
    Row("An unknown role", "Message by “tool”", 200, NEW, "200", _edit_message(role="tool")),
    Row("Unknown extra fields", "Sunglasses", 200, NEW, "200", _edit_message(thinking={"deep": [1, 2]})),
    Row("Wrong types", "Omni gives no job id for this answer", 200, NEW, "200", _edit_message(jobId=7, omniChatUrl=["x"], at=5)),
    Row("Bad dates", "No time given", 200, NEW, "200", _edit_message(at="the day before yesterday")),
    Row("A date that no database here orders", "No time given", 200, NEW, "200", _edit_message(at="2600-01-01T00:00:00Z")),
    Row("A date that no calendar here has", "No time given", 200, NEW, "200", _edit_message(at="0001-01-01T00:00:00Z")),
    Row("Half a character", "half \N{REPLACEMENT CHARACTER} of one", 200, NEW, "200", _edit_message(text="half \ud83d of one")),
    Row("Duplicate messages", "5 messages", 200, NEW, "200", _edit(_twice)),
    Row("Messages out of order", "4 messages", 200, NEW, "200", _edit(lambda reply: reply["messages"].reverse())),
    Row("A conversation that shrinks", "2 messages", 200, NEW, "200", _edit(lambda reply: reply["messages"].__delitem__(slice(2, None))), when_kept="No longer in this conversation"),
    Row("Messages that changed", "Something else.", 200, NEW, "200", _edit_message(text="Something else."), when_kept="Omni has changed this message."),
]  # fmt: skip


# Faults of lists and clocks: each has a test of its own, which looks for this sentence.
LIST_ROWS = {
    "A cursor that repeats": (
        "Omni’s list repeats itself: the rest of it could not be fetched.",
        "Every page until there",
    ),
    "A list that never ends": (
        "Omni’s list continues without anything new: the sync stopped there.",
        "Every page; the walk ends",
    ),
    "A list that changes between pages": ("The list has changed.", "Every page as Omni gives it now"),
    "People without end": ("Everyone", "The list, with the people that were told until then"),
}
CLOCK_ROWS = {
    "Our clock was a day ahead, and is set right": ("As of", "Everything; it is asked for again as if it were old"),
    "Our clock was a day behind, and is set right": ("As of", "Everything; it is asked for again as it is old"),
    "Omni’s clock is a day ahead": ("in the future", "Everything"),
    "Omni’s clock is a day behind": ("1 day ago", "Everything"),
}


@contextlib.contextmanager
def listening(what: str, omni: StandIn) -> Iterator[str]:
    """Yield the host of something that listens in place of the stand-in."""
    match what:
        case "nothing":
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                host = f"127.0.0.1:{probe.getsockname()[1]}"
            yield host
        case "no host":
            yield "no-such-host.invalid"
        case "full":
            with _full() as host:
                yield host
        case "dripping headers":
            with _answering(_drip) as host:
                yield host
        case "wrong certificate":
            with _answering(_with_a_certificate_of_its_own()) as host:
                yield host
        case _:
            yield omni.host


@contextlib.contextmanager
def _full() -> Iterator[str]:
    """Yield the host of a server that accepts no further connection, because its queue is full."""
    with contextlib.ExitStack() as open_sockets:
        server = open_sockets.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"127.0.0.1:{server.getsockname()[1]}"


@contextlib.contextmanager
def _answering(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while not done.is_set():
                try:
                    connected, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_one, args=(connected,), daemon=True).start()

        def _one(connected: socket.socket) -> None:
            with contextlib.suppress(OSError), connected:
                answer(connected, done)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        done.set()
        server.shutdown(socket.SHUT_RDWR)


def _drip(connected: socket.socket, done: threading.Event) -> None:
    """Send a header that never ends, byte by byte, each well within every time-out."""
    connected.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not done.wait(0.05):
        connected.sendall(b"x")


def _with_a_certificate_of_its_own() -> Callable[[socket.socket, threading.Event], None]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(days=1)
        )
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with _file(pem) as path:
        context.load_cert_chain(path)

    def answer(connected: socket.socket, done: threading.Event) -> None:
        with context.wrap_socket(connected, server_side=True) as safe:
            done.wait(0.2)
            safe.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    return answer


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[str]:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(content)
        file.flush()
        yield file.name


def table() -> str:
    """Return the documentation page of all faults, in Markdown."""
    lines = [
        "# What a reader sees when Omni fails",
        "",
        "Each row is made to happen, over real HTTP or a real socket, by `tests/archive/test_faults.py`; this page is printed by",
        "`python -m tests.faults`. *Kept* is what stays readable of a conversation that was fetched before. The log has one",
        "line for each request, with that outcome, and never a token or a message’s text.",
        "",
        "| Fault | The reader sees | Status where nothing is kept | What stays readable | Log |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        said = f"{row.sentence} (kept before: {row.when_kept})" if row.when_kept else row.sentence
        lines.append(f"| {row.name} | {said} | {row.status} | {row.stays} | `{row.log}` |")
    for title, rows in (("Lists", LIST_ROWS), ("Clocks", CLOCK_ROWS)):
        lines += ["", f"## {title}", "", "| Fault | The reader sees | What stays readable |", "|---|---|---|"]
        lines += [f"| {name} | {sentence} | {stays} |" for name, (sentence, stays) in rows.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
