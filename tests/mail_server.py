"""An SMTP server on loopback: it takes one name and password over TLS, and keeps what it is sent."""

import base64
import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

NAME, PASSWORD = "omniviewer", "a password of the mail server's"


class MailServer(socketserver.ThreadingTCPServer):
    """`offers`: what it says to EHLO; `refuses`: addresses that it takes no mail for."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.offers = ["STARTTLS", "AUTH PLAIN"]
        self.refuses: set[str] = set()
        self.received: list[str] = []
        self.commands: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, scheme: str = "smtp+tls", password: str = PASSWORD) -> str:
        return f"{scheme}://{NAME}:{password.replace(' ', '%20')}@localhost:{self.port}"


class _Talk(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 mail.example.com")
        with contextlib.suppress(OSError):
            while line := self.rfile.readline():
                self._answer(line.decode().strip())
        self.rfile.close()
        self.connection.close()

    def _answer(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        self.server.commands.append(word.upper())
        match word.upper():
            case "EHLO":
                self._say("250-mail.example.com")
                for offer in self.server.offers:
                    self._say(f"250-{offer}")
                self._say("250 8BITMIME")
            case "STARTTLS":
                self._say("220 go on")
                self.rfile.close()
                self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
                self.rfile = self.connection.makefile("rb")
            case "AUTH":
                given = base64.b64decode(rest.split()[-1]).decode().split("\0")[1:]
                # Some servers repeat what they were given.
                self._say("235 welcome" if given == [NAME, PASSWORD] else f"535 no such password: {given[-1]}")
            case "RCPT" if any(address in rest for address in self.server.refuses):
                self._say("550 nobody is called that")
            case "DATA":
                self._say("354 go on")
                lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                self.server.received.append("".join(lines))
                self._say("250 taken")
            case "QUIT":
                self._say("221 bye")
            case _:
                self._say("250 fine")

    def _say(self, line: str) -> None:
        self.connection.sendall(f"{line}\r\n".encode())


@contextlib.contextmanager
def running(certificate: Path) -> Iterator[MailServer]:
    with MailServer(certificate) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
