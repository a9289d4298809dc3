"""Values of settings.py that are more than plain: addresses, keys, databases, networks."""

import ipaddress
import os
import re
import warnings
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import environ
from cryptography.fernet import Fernet
from cryptography.x509 import load_der_x509_certificate
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

from omniviewer.variables import ALL_SETTINGS, Variables, more_packages, wrong

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Network = IPNetwork | str

_SHORTEST_KEY_CHARS = 32
_HOST = re.compile(r"\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.IGNORECASE | re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+", re.IGNORECASE | re.ASCII)
_ENGINES = {"django.db.backends.sqlite3", "django.db.backends.postgresql"}
_CACHES = {"locmemcache", "dummycache", "rediscache", "redis", "rediss"}
_DATABASE_EXAMPLE = "postgres://user:password@host/name, or sqlite:////path/of/a/file"
_CACHE_EXAMPLE = "redis://host:6379/0, or locmemcache:// for one machine alone"
_MAIL_EXAMPLE = "smtp+tls://name:password@mail.example.com, or smtp+ssl:// or smtp://, with % before odd characters"
_KEY_EXAMPLE = (
    "Set it to a long random text, for example the output of "
    "`python -c 'import secrets; print(secrets.token_urlsafe(50))'`."
)


@dataclass(frozen=True)
class MailServer:
    """A server that takes e-mail. `scheme` is smtp, smtp+tls (STARTTLS) or smtp+ssl (TLS from the beginning)."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)


class Environment(Variables):
    """The environment for settings.py. Each method raises the same errors as those of `Variables`."""

    # Development: nothing is required.
    is_development = False
    # Addresses of this machine may be http: in development and in the demo.
    allows_loopback = False

    def hosts(self, name: str, default: list[str] | None = None, *, may_be_any: bool = False) -> list[str]:
        """Return host names, without scheme, port or path."""
        for word in (found := self.words(name, default)):
            if not _HOST.fullmatch(word) and not (may_be_any and word == "*"):
                raise wrong(name, word, "names of hosts such as bi.example.com, without https://, port, path or *")
        return found

    def domains(self, name: str) -> list[str]:
        """Return the e-mail domains of people who may enter."""
        for word in (found := self.words(name, closes=True)):
            if not _DOMAIN.fullmatch(word):
                raise wrong(name, word, "domains such as example.com, without @ or *")
        return found

    def origins(self, name: str) -> list[str]:
        for word in (found := self.words(name)):
            parts = _split(word)
            if not parts or not parts.hostname or word not in (f"https://{parts.netloc}", f"http://{parts.netloc}"):
                raise wrong(name, word, "origins such as https://bi.example.com, without a path")
        return found

    def required(self, name: str, how: str) -> str:
        value = self.text(name)
        if not value and not self.is_development:
            raise ImproperlyConfigured(f"{name} is not set. {how} {ALL_SETTINGS}")
        return value

    def signing_keys(self, name: str, before_name: str) -> tuple[str, list[str]]:
        """Return the key that signs, and the earlier keys whose signatures are still accepted."""
        key, before = self.required(name, _KEY_EXAMPLE), self.words(before_name)
        for which, value in [(name, key), *((before_name, word) for word in before)]:
            if 0 < len(value) < _SHORTEST_KEY_CHARS:
                raise ImproperlyConfigured(f"{which} can be guessed: it has {len(value)} characters. {_KEY_EXAMPLE}")
        return key, before

    def fernet_keys(self, name: str) -> list[str]:
        """Return the keys, separated by commas in the variable; the first encrypts, all decrypt."""
        value = self.required(
            name,
            "Set it to a Fernet key (or several, separated by commas: the first encrypts, all decrypt), for example "
            "the output of `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`"
            ".",
        )
        keys = [key.strip() for key in value.split(",")] if value else []
        try:
            for key in keys:
                Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} holds something that is not a Fernet key (32 bytes in url-safe base64, 44 characters). "
                f"Nothing was changed; set the keys that were in use before, separated by commas."
            ) from None
        return keys

    def digests(self, name: str, *, most: int) -> list[str]:
        """Return SHA-256 digests in hexadecimal digits, separated by commas in the variable."""
        found = [word.lower() for word in self.words(name)]
        if len(found) > most or not all(re.fullmatch(r"[0-9a-f]{64}", word) for word in found):
            # Never the value: somebody may have written the token itself.
            raise ImproperlyConfigured(
                f"{name} is not one to {most} hashes of 64 hexadecimal digits: `omniviewer scim_token` makes a token "
                "with its hash."
            )
        return found

    def certificate(self, name: str) -> str:
        """Return the base64 text of an X.509 certificate in PEM format; "" if it is not set."""
        text = re.sub(r"-----[A-Z ]+-----|\\n|\s", "", self.text(name))
        try:
            if text:
                load_der_x509_certificate(b64decode(text))
        except ValueError:
            raise ImproperlyConfigured(f"{name} is not a certificate in PEM.") from None
        return text

    def address(self, name: str, *, may_have_query: bool = False, may_be_path: bool = False) -> str:
        """Return an https address, or an http one of this machine if that is allowed; "" if it is not set."""
        value = self.text(name)
        if not value or (may_be_path and re.match(r"/[^/\\]", value)):
            return value
        parts = _split(value)
        if parts and not re.search(r"\s", value):
            is_here = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
            is_safe = parts.scheme == "https" or (is_here and self.allows_loopback)
            is_whole = may_have_query or not (parts.query or parts.fragment)
            if parts.hostname and is_safe and is_whole and "@" not in parts.netloc:
                return value
        raise ImproperlyConfigured(f"{name} is not an address that begins with https://: {_open(value)!r}.")

    def receiver(self, name: str, example: str, module: str, extra: str) -> str:
        """Return the address, like the example, of a program of the house that reports are sent to; "" if not set."""
        value = self.text(name)
        if not value:
            return ""
        parts, like = _split(value), urlsplit(example)
        is_whole = (
            parts and parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        )
        has_key = parts and bool(parts.username) == bool(like.username) and not parts.password
        has_path = parts and (parts.path.strip("/").isdigit() if like.path.strip("/") else parts.path in ("", "/"))
        if not (is_whole and has_key and has_path) or re.search(r"\s", value):
            raise wrong(name, _open(value), example)
        if not find_spec(module):
            raise ImproperlyConfigured(f"{name} is set, which {more_packages(extra)}")
        return value.rstrip("/")

    def public_url(self, name: str, prefix_name: str) -> tuple[str, str]:
        """Return the origin of the site's public address ("" if it is not set), and the path prefix of the site."""
        address = self.address(name).rstrip("/")
        path = urlsplit(address).path
        prefix = f"/{self.text(prefix_name, path).strip('/')}".rstrip("/")
        # The prefix as browsers and proxies send it, so that it can be compared with a request's path.
        if not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*", prefix):
            raise wrong(prefix_name, prefix, "a path such as /omniviewer, of letters, digits and - . _ ~")
        if path not in ("", prefix):
            raise ImproperlyConfigured(f"{name} and {prefix_name} say different paths: {path!r} and {prefix!r}.")
        return address.removesuffix(path), prefix

    def networks(self, name: str) -> list[IPNetwork]:
        """Return IP addresses and networks, separated by commas in the variable."""
        return [_network(name, word) for word in self.words(name)]

    def proxies(self, name: str) -> list[Network]:
        """Return networks, or "unix" for a socket of this machine. Never all addresses: proxies are trusted."""
        found: list[Network] = ["unix" if word == "unix" else _network(name, word) for word in self.words(name)]
        for network in found:
            if not isinstance(network, str) and network.prefixlen == 0:
                raise ImproperlyConfigured(f"{name} holds {str(network)!r}: then anybody could be anybody.")
        return found

    def peers(self, name: str, default: list[str]) -> list[IPNetwork] | list[str]:
        """Return IP addresses and networks, separated by commas in the variable, or `["*"]` for all."""
        words = self.words(name, default)
        return ["*"] if words == ["*"] else [_network(name, word) for word in words]

    def database(self, name: str, default: str) -> dict[str, Any]:
        value = self.text(name, default)
        found = _parsed(name, value, environ.Env.db_url_config, _DATABASE_EXAMPLE)
        if found.get("ENGINE") not in _ENGINES or not found.get("NAME") or found["NAME"] == ":memory:":
            raise wrong(name, _open(value), _DATABASE_EXAMPLE)
        found["CONN_MAX_AGE"] = 60
        # After a restart of the database, no page must fail.
        found["CONN_HEALTH_CHECKS"] = True
        if found["ENGINE"] == "django.db.backends.sqlite3":
            # Readers run beside one writer at a time, and further writers wait rather than fail.
            found["OPTIONS"] = {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            }
            _make(name, Path(found["NAME"]).parent)
        else:
            _need(name, "PostgreSQL", "psycopg", "postgres")
            # Seconds until a page says that the database is down; the URL may set another number.
            found["OPTIONS"] = {"connect_timeout": 5} | found.get("OPTIONS", {})
        return found

    def caches_to_spare(self, name: str, default: str) -> dict[str, dict[str, Any]]:
        """Return the caches that the variable names. Pages work without the cache server, so its errors are ignored.

        `default` holds many small pieces of pages. `pages` holds lists, and the HTML around threads, of some 100 KB
        each; `threads` whole threads, up to a few MB each: in a process's own memory, only so many.
        """
        value = self.text(name, default)
        parts = _split(value)
        if parts is None or parts.scheme not in _CACHES or ("redis" in parts.scheme and not parts.hostname):
            raise wrong(name, _open(value), _CACHE_EXAMPLE)
        found = _parsed(name, value, environ.Env.cache_url_config, _CACHE_EXAMPLE)
        if "redis" in found["BACKEND"]:
            _need(name, "Redis", "django_redis", "redis")
            found["BACKEND"] = "django_redis.cache.RedisCache"
            # Seconds.
            waits = {"SOCKET_CONNECT_TIMEOUT": 0.5, "SOCKET_TIMEOUT": 0.5}
            found["OPTIONS"] = {"IGNORE_EXCEPTIONS": True, **waits}
        if "locmem" not in found["BACKEND"]:
            return {"default": found, "threads": found, "pages": found}
        most = {"default": 3000, "threads": 100, "pages": 200}
        return {key: {**found, "LOCATION": key, "OPTIONS": {"MAX_ENTRIES": count}} for key, count in most.items()}

    def mail_server(self, name: str) -> MailServer | None:
        """Return the server of an address such as smtp+tls://name:password@host; None if it is not set."""
        value = self.text(name)
        parts = _split(value)
        ports = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
        if not value:
            return None
        is_plain = parts is not None and not (parts.path.strip("/") or parts.query or parts.fragment)
        if not parts or not is_plain or parts.scheme not in ports or not parts.hostname:
            raise wrong(name, _open(value), _MAIL_EXAMPLE)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if bool(user) != bool(password):
            raise ImproperlyConfigured(f"{name} holds a name without a password, or the other way round: write both.")
        return MailServer(parts.scheme, parts.hostname, parts.port or ports[parts.scheme], user, password)

    def mail_address(self, name: str) -> str:
        value = self.text(name)
        try:
            if value:
                validate_email(value)
        except ValidationError:
            raise wrong(name, value, "an address such as omniviewer@example.com") from None
        return value

    def folder(self, name: str, default: Path) -> Path:
        """Return a folder, which is made if it is missing."""
        value = self.text(name)
        folder = Path(value).absolute() if value else default
        _make(name, folder)
        return folder

    def folder_of_counts(self, name: str, default: Path, *, is_used: bool) -> None:
        """Create prometheus_client's folder and name it in the environment, or unset the variable if not used."""
        folder = Path(self.text(name) or default)
        if not is_used:
            os.environ.pop(name, None)
            return
        _make(name, folder)
        os.environ[name] = str(folder)


def _network(name: str, word: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(word)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} holds something that is no address or network: {error}.") from None


def _split(value: str) -> SplitResult | None:
    """Return the parts of an address; None if it is none."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _parsed(name: str, value: str, parse: Callable[[str], dict[str, Any]], example: str) -> dict[str, Any]:
    try:
        with warnings.catch_warnings(action="ignore"):
            return parse(value)
    except (ValueError, KeyError, ImproperlyConfigured):
        raise wrong(name, _open(value), example) from None


def _need(name: str, what: str, module: str, extra: str) -> None:
    if not find_spec(module):
        raise ImproperlyConfigured(f"{name} names {what}, which {more_packages(extra)}")


def _make(name: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ImproperlyConfigured(f"{name}: the folder {folder} cannot be made: {error.strerror}.") from None


def _open(value: str) -> str:
    """Return an address without the name and the password in it."""
    return re.sub(r"(?<=//).*(?=@)", "…", value)
