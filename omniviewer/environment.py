"""What settings.py reads from the environment: each value is what it should be, or the process does not start.

Each method raises `ImproperlyConfigured` with a sentence that says what to set.
"""

import builtins
import ipaddress
import os
import re
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from cryptography.fernet import Fernet
from cryptography.x509 import load_der_x509_certificate
from django.core.exceptions import ImproperlyConfigured

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Network = IPNetwork | str


class Environment(environ.Env):
    # Development: nothing is required.
    is_development = False
    # Addresses of this machine may be http: in development and in the demo.
    allows_loopback = False

    def list(self, name: str, default: Any = environ.Env.NOTSET, **how: Any) -> Any:
        """Separated by commas, with or without spaces."""
        words = super().list(name, default=default, **how)
        return [word.strip() for word in words if word.strip()] if isinstance(words, builtins.list) else words

    def one_of(self, name: str, words: builtins.list[str]) -> str:
        """The first of them if it is not set."""
        value: str = self.str(name, default="") or words[0]
        if value not in words:
            raise ImproperlyConfigured(f"{name} is {value!r}: it has to be one of {', '.join(words)}.")
        return value

    def at_least(self, name: str, least: float, default: float, *, or_zero: bool = False) -> float:
        value: float = self.float(name, default=default)
        if value < least and not (or_zero and value == 0):
            raise ImproperlyConfigured(f"{name} is {value:g}: it has to be {least:g} at least.")
        return value

    def required(self, name: str, how: str) -> str:
        value: str = self.str(name, default="")
        if not value and not self.is_development:
            raise ImproperlyConfigured(f"{name} is not set. {how} See .env.example and the README's settings table.")
        return value

    def fernet_keys(self, name: str) -> builtins.list[str]:
        """Separated by commas; the first encrypts, all decrypt."""
        value = self.required(
            name,
            "Set it to a Fernet key (or several, separated by commas: the first encrypts, all decrypt), for example "
            "the output of `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`"
            ".",
        )
        keys = [key.strip() for key in value.split(",") if key.strip()]
        try:
            for key in keys:
                Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} holds something that is not a Fernet key (32 bytes in url-safe base64, 44 characters). "
                f"Nothing was changed; set the keys that were in use before, separated by commas."
            ) from None
        return keys

    def address(self, name: str, *, may_have_query: bool = False, may_be_path: bool = False) -> str:
        """An https address, or an http one of this machine where that is allowed; "" if it is not set."""
        value: str = self.str(name, default="")
        if may_be_path and re.match(r"/[^/\\]", value):
            return value
        parts = urlsplit(value)
        is_here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
        is_safe = parts.scheme == "https" or (is_here and self.allows_loopback)
        is_whole = may_have_query or not (parts.query or parts.fragment)
        if value and not (parts.hostname and is_safe and is_whole):
            raise ImproperlyConfigured(f"{name} is not an address that begins with https://: {value!r}.")
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        found: dict[str, Any] = self.db(name, default=default)
        found["CONN_MAX_AGE"] = 60
        # A database that was started anew costs nobody a page.
        found["CONN_HEALTH_CHECKS"] = True
        if found["ENGINE"] == "django.db.backends.sqlite3":
            # Readers and one writer at a time beside each other, and a writer waits rather than fails.
            found["OPTIONS"] = {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            }
            Path(found["NAME"]).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        elif found["ENGINE"] == "django.db.backends.postgresql":
            # Seconds, after which a page says that the database is away; the address may say otherwise.
            found["OPTIONS"] = {"connect_timeout": 5} | found.get("OPTIONS", {})
        return found

    def cache_to_spare(self, name: str, default: str) -> dict[str, Any]:
        """Where it is away, pages do without."""
        found: dict[str, Any] = self.cache(name, default=default)
        if "redis" in found["BACKEND"]:
            found["BACKEND"] = "django_redis.cache.RedisCache"
            # Seconds.
            waits = {"SOCKET_CONNECT_TIMEOUT": 0.5, "SOCKET_TIMEOUT": 0.5}
            found["OPTIONS"] = {"IGNORE_EXCEPTIONS": True, **waits}
        return found

    def folder_of_counts(self, name: str, default: Path, *, is_used: bool) -> None:
        """Where prometheus_client finds it, in the environment: made if counts are kept, else unset."""
        if not is_used:
            os.environ.pop(name, None)
            return
        folder = Path(self.str(name, default="") or default)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.environ[name] = str(folder)

    def secret(self, name: str, *, shortest: int) -> str:
        """ "" if it is not set."""
        value: str = self.str(name, default="")
        if 0 < len(value) < shortest:
            raise ImproperlyConfigured(f"{name} can be guessed: set at least {shortest} random characters.")
        return value

    def networks(self, name: str) -> "builtins.list[IPNetwork]":
        """Addresses and networks, separated by commas."""
        words = self.list(name, default=[])
        return [_network(name, word) for word in words]

    def proxies(self, name: str) -> "builtins.list[Network]":
        """The same; "unix" stands for a socket of this machine."""
        words = self.list(name, default=[])
        return ["unix" if word == "unix" else _network(name, word) for word in words]

    def peers(self, name: str, default: "builtins.list[str]") -> "builtins.list[IPNetwork] | builtins.list[str]":
        """Addresses and networks, separated by commas; or `["*"]` for all."""
        words = self.list(name, default=default)
        return ["*"] if words == ["*"] else [_network(name, word) for word in words]

    def public_url(self, name: str, prefix_name: str) -> tuple[str, str]:
        """The origin of the site's public address ("" if that is not set), and the path below which the site is."""
        address = self.address(name).rstrip("/")
        path = urlsplit(address).path
        prefix = f"/{self.str(prefix_name, default=path).strip('/')}".rstrip("/")
        # As browsers and proxies send it, so that it can be compared with the path of a request.
        if not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", prefix):
            raise ImproperlyConfigured(
                f"{prefix_name} is {prefix!r}: it has to be a path such as /omniviewer, of letters, digits and - . _ ~."
            )
        if path not in ("", prefix):
            raise ImproperlyConfigured(f"{name} and {prefix_name} say different paths: {path!r} and {prefix!r}.")
        return address.removesuffix(path), prefix

    def pattern(self, name: str, default: str) -> str:
        """A regular expression."""
        value: str = self.str(name, default=default)
        try:
            re.compile(value)
        except re.error as error:
            raise ImproperlyConfigured(f"{name} is not a regular expression: {error}.") from None
        return value

    def certificate(self, name: str) -> str:
        """The base64 of an X.509 certificate in PEM; "" if it is not set."""
        text = re.sub(r"-----[A-Z ]+-----|\\n|\s", "", self.str(name, default=""))
        try:
            if text:
                load_der_x509_certificate(b64decode(text))
        except ValueError:
            raise ImproperlyConfigured(f"{name} is not a certificate in PEM.") from None
        return text


def _network(name: str, word: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(word)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} holds something that is no address or network: {error}.") from None
