"""An instance address gives no access to the internal network: not as typed, and not by where a name leads."""

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import get_resolver

from omniviewer.accounts.models import Credential, User
from omniviewer.omni import BadAddress, CannotAsk, Client, Token, parse_address
from omniviewer.omni.addresses import is_public
from tests.conftest import signed_in, text_of

ALLOWED = ["omniapp.co", "playground.exploreomni.dev"]
# Addresses that somebody may type to reach this machine, its network, or the cloud it runs in.
TYPED = [
    "localhost", "http://localhost", "https://localhost/api", "https://localhost.", "LOCALHOST", "localhost.localdomain",
    "127.0.0.1", "https://127.0.0.1", "http://127.0.0.1:8000", "https://127.1", "https://127.0.0.2", "0.0.0.0", "https://0",
    "https://2130706433", "https://0x7f000001", "https://0x7f.0.0.1", "https://0177.0.0.1", "https://017700000001",
    "[::1]", "https://[::1]", "https://[::]", "https://[0:0:0:0:0:0:0:1]", "https://[::ffff:127.0.0.1]",
    "https://[::ffff:7f00:1]", "https://[64:ff9b::7f00:1]", "https://[2002:7f00:1::]", "https://[fe80::1%25eth0]",
    "https://[fd00:ec2::254]", "10.0.0.1", "https://172.16.0.1", "https://192.168.1.1", "https://100.64.0.1",
    "169.254.169.254", "http://169.254.169.254/latest/meta-data/", "https://metadata.google.internal",
    "https://acme.omniapp.co@127.0.0.1", "https://acme.omniapp.co:pw@10.0.0.1/", "https://127.0.0.1#@acme.omniapp.co",
    "https://127.0.0.1?@acme.omniapp.co", "https://127.0.0.1/acme.omniapp.co", "https://127.0.0.1\\@acme.omniapp.co",
    "https://acme.omniapp.co\\@127.0.0.1", "https://acme.omniapp.co%2f@127.0.0.1", "https://acme.omniapp.co%00.evil.example",
    "https://acme.omniapp.co.evil.example", "https://evilomniapp.co", "https://omniapp.co.evil.example",
    "https://acme.omniapp.co:8443", "https://acme.omniapp.co:22", "https://acme.omniapp.co:0", "https://acme.omniapp.co:99999",
    "http://acme.omniapp.co", "ftp://acme.omniapp.co", "file:///etc/passwd", "gopher://acme.omniapp.co", "dict://127.0.0.1",
    "https://ácme.omniapp.co", "https://acme.omniapp。co", "https://acme.omniapp.со", "https://①②⑦.⓪.⓪.①",
    "https://acme.ｏmniapp.co", "https://acme_.omniapp.co", "https://-acme.omniapp.co", "https://acme..omniapp.co",
    "https://acme.omniapp.co\r\nHost: evil.example", "https://acme.omniapp.co\t.evil.example", "//127.0.0.1", "https:127.0.0.1",
    "https:///127.0.0.1", "https://*.omniapp.co", "https://", "", " ", "https://\0", "a" * 5000,
]  # fmt: skip
# IP addresses that a name may lead to, and whether each belongs to the public internet.
LEADS = {
    "8.8.8.8": True, "1.1.1.1": True, "93.184.215.14": True, "2606:4700:4700::1111": True, "::ffff:8.8.8.8": True,
    "64:ff9b::808:808": True, "2002:808:808::1": True,
    "127.0.0.1": False, "127.255.255.254": False, "0.0.0.0": False, "10.1.2.3": False, "172.16.5.4": False, "172.31.255.255": False,
    "192.168.0.1": False, "169.254.169.254": False, "100.64.0.1": False, "100.127.255.255": False, "192.0.0.1": False, "192.0.2.5": False,
    "198.18.0.1": False, "198.51.100.7": False, "203.0.113.9": False, "224.0.0.1": False, "240.0.0.1": False, "255.255.255.255": False,
    "::1": False, "::": False, "fe80::1": False, "fe80::1%eth0": False, "fc00::1": False, "fd00:ec2::254": False, "ff02::1": False,
    "::ffff:127.0.0.1": False, "::ffff:10.0.0.1": False, "::ffff:169.254.169.254": False, "64:ff9b::7f00:1": False,
    "64:ff9b::a9fe:a9fe": False, "2002:7f00:1::": False, "2002:a00:1::": False, "2001:db8::1": False, "2001::1": False,
}  # fmt: skip


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_typed_is_refused(typed: str) -> None:
    with pytest.raises(BadAddress):
        parse_address(typed, allowed=ALLOWED)


@pytest.mark.parametrize("typed", [typed for typed in TYPED if typed.strip()])
def test_and_so_says_the_page_that_connects(owner: User, typed: str, settings: Any) -> None:
    # Load the site's addresses once now: in the tests, the demo's are among them.
    assert get_resolver().url_patterns
    settings.DEMO = False
    fields = {"instance_address": typed, "token": "omni_pat_" + "x" * 20, "label": "Mine"}
    answer = signed_in(owner).post("/credentials/connect/", fields)
    assert answer.status_code == 422
    assert 'id="id_instance_address_error"' in text_of(answer)
    assert not Credential.objects.exists()


@pytest.mark.parametrize(("address", "is_it"), LEADS.items())
def test_what_is_public(address: str, is_it: bool) -> None:
    assert is_public(address) is is_it


def test_networks_may_be_allowed() -> None:
    besides = [ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd12::/16")]
    assert is_public("10.20.3.4", besides)
    assert is_public("::ffff:10.20.3.4", besides)
    assert is_public("fd12::5", besides)
    assert not is_public("10.21.0.1", besides)


class Listener:
    """A service in the company's network, which counts its visitors and records their words."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.met, self.heard = threading.Event(), b""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                connected, _ = self.socket.accept()
                with connected:
                    connected.settimeout(2)
                    self.met.set()
                    self.heard += connected.recv(1000)
        except OSError:
            return


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.socket.close()


def leads_to(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    """Have every name lead to the listener from now on."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", listener.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)


def ask(**more: Any) -> None:
    Client("acme.omniapp.co", Token("omni_pat_secret"), timeout=3, max_body=1000, **more).whoami()


def test_a_name_that_leads_inside_is_told_nothing(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    """The address is checked on the open connection, so changing the name between check and use does not help."""
    leads_to(monkeypatch, listener)
    with pytest.raises(CannotAsk, match="leads to a network that is not allowed") as caught:
        ask()
    assert caught.value.outcome == "private-address"
    assert listener.met.wait(2)
    assert listener.heard == b""


def test_unless_that_network_is_allowed(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    leads_to(monkeypatch, listener)
    with pytest.raises(CannotAsk) as caught:
        ask(networks=[ipaddress.ip_network("127.0.0.0/8")])
    assert caught.value.outcome != "private-address"
    # The listener gets the TLS greeting only, and no token.
    assert listener.heard[:1] == b"\x16"
    assert b"omni_pat" not in listener.heard


class Dripping(threading.Thread):
    """A proxy that answers byte by byte without end: its own reply, or the one of the host behind it."""

    def __init__(self, begins_with: bytes) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self._begins_with = begins_with
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._drip, args=(self.socket.accept()[0],), daemon=True).start()

    def _drip(self, connected: socket.socket) -> None:
        with connected, contextlib.suppress(OSError):
            connected.recv(1000)
            connected.sendall(self._begins_with)
            for _ in range(100):
                connected.sendall(b"x")
                time.sleep(0.2)


@pytest.mark.parametrize(
    "begins_with",
    [b"", b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03\x40\x00"],
    ids=["nothing", "its status", "another side", "a greeting"],
)
def test_a_time_out_bounds_a_request_through_a_proxy(monkeypatch: pytest.MonkeyPatch, begins_with: bytes) -> None:
    proxy = Dripping(begins_with)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    began = time.monotonic()
    with pytest.raises(CannotAsk):
        Client("acme.omniapp.co", Token("omni_pat_secret"), timeout=1.5, max_body=1000).whoami()
    assert time.monotonic() - began < 4
    proxy.socket.close()


def test_a_proxy_of_the_companys_may_be_inside(monkeypatch: pytest.MonkeyPatch, listener: Listener) -> None:
    """The proxy looks names up itself, so its own address may be internal."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.port}")
    with pytest.raises(CannotAsk) as caught:
        ask()
    assert caught.value.outcome != "private-address"
    assert listener.heard.startswith(b"CONNECT acme.omniapp.co:443 ")
    assert b"omni_pat" not in listener.heard
