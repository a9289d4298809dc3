"""Mistakes in settings, and the sentence that each is met with: `python -m tests.settings_mistakes` writes the table
`.docs/settings-mistakes.md`, which the tests hold against the settings."""

import os
import runpy
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from tests import certificates

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / ".docs/settings-mistakes.md"
_NEEDED = {
    "OMNIVIEWER_SECRET_KEY": "rQ8v7yJm2LhXw5ZpT3nKc9Ds6Gf1BaVeUi4Mo0SxRtYqPlHgNjWkEzC8dF5A",
    "OMNIVIEWER_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "OMNIVIEWER_ALLOWED_HOSTS": "bi.example.com",
    # Places outside of the project, so that nothing of it is read, and nothing is made there.
    "OMNIVIEWER_FOLDER": tempfile.gettempdir(),
    "DATABASE_URL": "postgres://bi:secret@db.example.com/bi",
}
_OIDC = {
    "OMNIVIEWER_OIDC_ISSUER": "https://id.example.com",
    "OMNIVIEWER_OIDC_CLIENT_ID": "omniviewer",
    "OMNIVIEWER_OIDC_CLIENT_SECRET": "a secret that nobody guesses",
}
_SAML = {
    "OMNIVIEWER_SAML_ENTITY_ID": "https://idp.example.com",
    "OMNIVIEWER_SAML_SSO_URL": "https://idp.example.com/sso",
    "OMNIVIEWER_SAML_CERTIFICATE": certificates.setting(),
}
_MAIL = {
    "OMNIVIEWER_EMAIL_URL": "smtp+tls://bi:secret@mail.example.com:587",
    "OMNIVIEWER_EMAIL_FROM": "omniviewer@example.com",
}
_HASH_CHARS = 64
_PROXY = {"OMNIVIEWER_PROXY_HEADER": "X-Auth-Request-User", "OMNIVIEWER_TRUSTED_PROXIES": "10.0.0.7"}

# The variable, the wrong value (None: not set), and variables set beside it.
MISTAKES: list[tuple[str, str | None, dict[str, str]]] = [
    ("OMNIVIEWER_SETTINGS_FILE", "/nowhere/omniviewer.env", {}),
    ("OMNIVIEWER_SETTINGS_FILE", "/", {}),
    ("OMNIVIEWER_FOLDER", "/proc/omniviewer", {}),
    ("OMNIVIEWER_SECRET_KEY", None, {}),
    ("OMNIVIEWER_SECRET_KEY", "   ", {}),
    ("OMNIVIEWER_SECRET_KEY", "changeme", {}),
    ("OMNIVIEWER_SECRET_KEYS_BEFORE", "short", {}),
    ("OMNIVIEWER_ENCRYPTION_KEYS", None, {}),
    ("OMNIVIEWER_ENCRYPTION_KEYS", ",", {}),
    ("OMNIVIEWER_ENCRYPTION_KEYS", "hunter2", {}),
    ("OMNIVIEWER_ENCRYPTION_KEYS", f"{Fernet.generate_key().decode()},", {}),
    ("OMNIVIEWER_ALLOWED_HOSTS", None, {}),
    ("OMNIVIEWER_ALLOWED_HOSTS", "https://bi.example.com", {}),
    ("OMNIVIEWER_ALLOWED_HOSTS", "bi.example.com:443", {}),
    ("OMNIVIEWER_ALLOWED_HOSTS", "*.example.com", {}),
    ("OMNIVIEWER_ALLOWED_HOSTS", "bi.example.com,,", {}),
    ("OMNIVIEWER_ALLOWED_HOSTS", "bi.example.com other.example.com", {}),
    ("OMNIVIEWER_ALLOWED_HOSTS", "*", {}),
    ("OMNIVIEWER_TRUSTED_ORIGINS", "bi.example.com", {}),
    ("OMNIVIEWER_TRUSTED_ORIGINS", "https://bi.example.com/path", {}),
    ("OMNIVIEWER_BEHIND_PROXY", "enabled", {}),
    ("OMNIVIEWER_BEHIND_PROXY", "'true'", {}),
    ("OMNIVIEWER_DEBUG", "ja", {}),
    ("OMNIVIEWER_FORWARDED_ALLOW_IPS", "proxy.example.com", {}),
    ("OMNIVIEWER_URL_PREFIX", "/a b", {}),
    ("OMNIVIEWER_URL_PREFIX", "/../bi", {}),
    ("OMNIVIEWER_URL_PREFIX", "/a", {"OMNIVIEWER_PUBLIC_URL": "https://bi.example.com/b"}),
    ("OMNIVIEWER_PUBLIC_URL", "bi.example.com", {}),
    ("OMNIVIEWER_PUBLIC_URL", "http://bi.example.com", {}),
    ("OMNIVIEWER_PUBLIC_URL", "https://bi.example.com/?a=1", {}),
    ("OMNIVIEWER_PUBLIC_URL", "https://bi.example.com:99999", {}),
    ("OMNIVIEWER_PUBLIC_URL", "https://other.example.com", {}),
    ("OMNIVIEWER_ALOWED_GROUPS", "analysts", _OIDC),
    ("OMNIVIEWER_ALLOWED_GROUP", "analysts", _OIDC),
    ("OMNIVEIWER_ALLOWED_GROUPS", "analysts", _OIDC),
    ("OMNI_VIEWER_ALLOWED_GROUPS", "analysts", _OIDC),
    ("omniviewer_allowed_groups", "analysts", _OIDC),
    ("OMNIVIEWER_COLOUR", "blue", {}),
    ("OMNIVIEWER_ALLOWED_GROUPS", "=,", _OIDC),
    ("OMNIVIEWER_ALLOWED_GROUPS", ",", _OIDC),
    ("OMNIVIEWER_ALLOWED_GROUPS", "", _OIDC),
    ("OMNIVIEWER_ALLOWED_GROUPS", '"analysts"', _OIDC),
    ("OMNIVIEWER_ALLOWED_GROUPS", "analysts", {}),
    ("OMNIVIEWER_ALLOWED_EMAIL_DOMAINS", "@example.com", _OIDC),
    ("OMNIVIEWER_ALLOWED_EMAIL_DOMAINS", "*.example.com", _OIDC),
    ("OMNIVIEWER_ALLOWED_EMAIL_DOMAINS", "", _OIDC),
    ("OMNIVIEWER_ALLOWED_EMAIL_DOMAINS", "example.com", {}),
    ("OMNIVIEWER_STAFF_GROUP", "admins", {}),
    ("OMNIVIEWER_AUDITOR_GROUP", "auditors", {}),
    ("OMNIVIEWER_AUDITORS_GROUP", "auditors", _OIDC),
    ("OMNIVIEWER_SCIM_TOKEN_HASHES", "the token itself", _OIDC),
    ("OMNIVIEWER_SCIM_TOKEN_HASHES", ",".join(["0" * _HASH_CHARS] * 3), _OIDC),
    ("OMNIVIEWER_SCIM_TOKEN_HASHES", "0" * _HASH_CHARS, {}),
    ("OMNIVIEWER_SCIM_TOKEN_HASHES", "0" * _HASH_CHARS, _OIDC | _PROXY),
    ("OMNIVIEWER_SCIM_SUBJECT", "email", _OIDC),
    ("OMNIVIEWER_SCIM_SUBJECT", "userName", _OIDC | {"OMNIVIEWER_SCIM_TOKEN_HASHES": "0" * _HASH_CHARS}),
    ("OMNIVIEWER_LOCAL_LOGIN", "no", {}),
    ("OMNIVIEWER_OIDC_ISSUER", "id.example.com", _OIDC),
    ("OMNIVIEWER_OIDC_ISSUER", "http://id.example.com", _OIDC),
    ("OMNIVIEWER_OIDC_ISSUER", None, _OIDC),
    ("OMNIVIEWER_OIDC_CLIENT_ID", None, _OIDC),
    ("OMNIVIEWER_OIDC_CLIENT_SECRET", None, _OIDC),
    ("OMNIVIEWER_OIDC_SCOPES", "profile email", _OIDC),
    ("OMNIVIEWER_OIDC_EMAILS_ARE_VERIFIED", "tru", _OIDC),
    ("OMNIVIEWER_SAML_ENTITY_ID", "https://idp.example.com", {}),
    ("OMNIVIEWER_SAML_CERTIFICATE", "MIIB…", {}),
    ("OMNIVIEWER_SAML_CERTIFICATE", None, _SAML),
    ("OMNIVIEWER_SAML_SSO_URL", None, _SAML),
    ("OMNIVIEWER_SAML_SSO_URL", "http://idp.example.com/sso", _SAML),
    ("OMNIVIEWER_SAML_SIGN_OUT_URL", "idp.example.com", _SAML),
    ("OMNIVIEWER_SAML_SIGN_OUT_URL", "https://idp.example.com/out", {}),
    ("OMNIVIEWER_SAML_SUBJECT", "employeeNumber", {}),
    ("OMNIVIEWER_SAML_SSO_URL", "https://idp.example.com/sso", {}),
    ("OMNIVIEWER_PROXY_HEADER", "X Auth User", _PROXY),
    ("OMNIVIEWER_PROXY_HEADER", "X-Auth-Request-User", {}),
    ("OMNIVIEWER_PROXY_HEADER", None, _PROXY),
    ("OMNIVIEWER_PROXY_EMAIL_HEADER", "X Email", _PROXY),
    ("OMNIVIEWER_PROXY_EMAIL_HEADER", "X-Auth-Request-Email", {}),
    ("OMNIVIEWER_PROXY_NAME_HEADER", "X-Name:", _PROXY),
    ("OMNIVIEWER_PROXY_NAME_HEADER", "X-Auth-Request-Name", {}),
    ("OMNIVIEWER_PROXY_GROUPS_HEADER", "$groups", _PROXY),
    ("OMNIVIEWER_PROXY_GROUPS_HEADER", "X-Auth-Request-Groups", {}),
    ("OMNIVIEWER_PROXY_SECRET", "a secret that nobody guesses", {}),
    ("OMNIVIEWER_PROXY_SIGN_OUT_URL", "/oauth2/sign_out", {}),
    ("OMNIVIEWER_TRUSTED_PROXIES", "0.0.0.0/0", _PROXY),
    ("OMNIVIEWER_TRUSTED_PROXIES", "10.0.0.1/8", _PROXY),
    ("OMNIVIEWER_TRUSTED_PROXIES", "office", _PROXY),
    ("OMNIVIEWER_PROXY_SECRET", "short", _PROXY),
    ("OMNIVIEWER_PROXY_SIGN_OUT_URL", "//evil.example", _PROXY),
    ("OMNIVIEWER_EMAIL_URL", "mail.example.com:587", _MAIL),
    ("OMNIVIEWER_EMAIL_URL", "smtps://bi:secret@mail.example.com", _MAIL),
    ("OMNIVIEWER_EMAIL_URL", "smtp+tls://bi:secret@mail.example.com/path", _MAIL),
    ("OMNIVIEWER_EMAIL_URL", "smtp+tls://bi:secret@mail.example.com:port", _MAIL),
    ("OMNIVIEWER_EMAIL_URL", "smtp+tls://bi@mail.example.com", _MAIL),
    ("OMNIVIEWER_EMAIL_URL", None, _MAIL),
    ("OMNIVIEWER_EMAIL_FROM", None, _MAIL),
    ("OMNIVIEWER_EMAIL_FROM", "Omniviewer", _MAIL),
    ("OMNIVIEWER_ACCESS_TTL", "a day", {}),
    ("OMNIVIEWER_ACCESS_TTL", "0", {}),
    ("OMNIVIEWER_ACCESS_TTL", "-1", {}),
    ("OMNIVIEWER_ACCESS_TTL", "24hours", {}),
    ("OMNIVIEWER_ACCESS_TTL", "10d", {}),
    ("OMNIVIEWER_ACCESS_GRACE", "1000", {}),
    ("OMNIVIEWER_FRESH_FOR", "1 minute", {}),
    ("OMNIVIEWER_OMNI_TIMEOUT", "0", {}),
    ("OMNIVIEWER_OMNI_TIMEOUT", "1e9", {}),
    ("OMNIVIEWER_MAX_BODY", "64M", {}),
    ("OMNIVIEWER_RATE_PER_MINUTE", "0", {}),
    ("OMNIVIEWER_RATE_PER_MINUTE", "-60", {}),
    ("OMNIVIEWER_RATE_PER_MINUTE", "60.5", {}),
    ("OMNIVIEWER_OMNI_HOSTS", "https://acme.omniapp.co", {}),
    ("OMNIVIEWER_OMNI_HOSTS", ",", {}),
    ("OMNIVIEWER_OMNI_NETWORKS", "10.20.0.0/99", {}),
    ("OMNIVIEWER_SYNC", "ALL", {}),
    ("OMNIVIEWER_CAPTURE", "everything", {}),
    ("OMNIVIEWER_KEEP_DAYS", "14", {}),
    ("OMNIVIEWER_KEEP_DAYS", "-15", {}),
    ("OMNIVIEWER_FORGET_DAYS", "a month", {}),
    ("OMNIVIEWER_FORGET_DAYS", "6", {}),
    ("OMNIVIEWER_AUDIT_DAYS", "-1", {}),
    ("OMNIVIEWER_AUDIT_IP", "sometimes", {}),
    ("OMNIVIEWER_SESSION_HOURS", "0", {}),
    ("OMNIVIEWER_IDLE_MINUTES", "1", {}),
    ("OMNIVIEWER_HSTS_SECONDS", "-1", {}),
    ("OMNIVIEWER_HSTS_SECONDS", "1y", {}),
    ("OMNIVIEWER_HSTS_SUBDOMAINS", "all", {}),
    ("OMNIVIEWER_TICKET_FORMAT", "[A-Z", {}),
    ("OMNIVIEWER_TICKET_FORMAT", "[A-Z]*", {}),
    ("OMNIVIEWER_TICKET_URL", "https://tickets.example.com/", {}),
    ("OMNIVIEWER_TICKET_URL", "javascript:alert('{ticket}')", {}),
    ("OMNIVIEWER_TIME_ZONE", "Europe/Berln", {}),
    ("OMNIVIEWER_TIME_ZONE", "CEST", {}),
    ("OMNIVIEWER_LOG_LEVEL", "verbose", {}),
    ("OMNIVIEWER_METRICS_TOKEN", "abc", {}),
    ("PROMETHEUS_MULTIPROC_DIR", "/proc/counts", {"OMNIVIEWER_METRICS_TOKEN": "what the scrape may show"}),
    ("OMNIVIEWER_SENTRY_DSN", "sentry.example.com", {}),
    ("OMNIVIEWER_SENTRY_DSN", "https://sentry.example.com/1", {}),
    ("OMNIVIEWER_SENTRY_DSN", "https://key:secret@sentry.example.com/1", {}),
    ("OMNIVIEWER_SENTRY_DSN", "https://key@sentry.example.com/", {}),
    ("OMNIVIEWER_OTLP_ENDPOINT", "collector:4318", {}),
    ("OMNIVIEWER_OTLP_ENDPOINT", "http://collector:4318/v1/traces", {}),
    ("OMNIVIEWER_OTLP_ENDPOINT", "grpc://collector:4317", {}),
    ("OMNIVIEWER_WORKER", "2", {}),
    ("OMNIVIEWER_WORKER_THREADS", "many", {}),
    ("OMNIVIEWER_WORKER_THREADS", "0", {}),
    ("OMNIVIEWER_WORKER_THREADS", "65", {}),
    ("DATABASE_URL", "postgres", {}),
    ("DATABASE_URL", "mysql://bi:secret@db.example.com/bi", {}),
    ("DATABASE_URL", "postgres://bi:secret@db.example.com", {}),
    ("DATABASE_URL", "postgres://bi:secret@db.example.com:port/bi", {}),
    ("DATABASE_URL", "sqlite://:memory:", {}),
    ("DATABASE_URL", "sqlite:////proc/omniviewer/site.sqlite3", {}),
    ("CACHE_URL", "cache.example.com:6379", {}),
    ("CACHE_URL", "memcache://cache.example.com:11211", {}),
    ("CACHE_URL", "redis://", {}),
]


def met_with() -> Iterator[tuple[str, str | None, str]]:
    """Return each mistake with the sentence that it is met with, "" where it is taken. Changes os.environ."""
    rest = {name: value for name, value in os.environ.items() if not name.upper().startswith("OMNI")}
    for name, value, beside in MISTAKES:
        os.environ.clear()
        os.environ.update({**rest, **_NEEDED, **beside} | ({} if value is None else {name: value}))
        if value is None:
            del os.environ[name]
        try:
            runpy.run_path(str(ROOT / "omniviewer/settings.py"))
        except ImproperlyConfigured as error:
            yield name, value, str(error)
        else:
            yield name, value, ""


def table() -> str:
    lines = [f"| `{name}` | {_shown(value)} | {_plain(said)} |" for name, value, said in met_with()]
    head = [
        "# Mistakes in settings",
        "",
        "Made by `python -m tests.settings_mistakes`; the tests hold it against the site.",
    ]
    columns = ["", "| Variable | Value | What the process says, before it ends |", "|---|---|---|"]
    return "\n".join([*head, *columns, *lines, ""])


def _shown(value: str | None) -> str:
    if value is None:
        return "not set"
    # A generated key differs at each run, so it is described, not printed.
    if len(value) >= _HASH_CHARS and not value.strip("0,"):
        return f"{value.count(',') + 1} hashes" if len(value) > _HASH_CHARS else "a hash"
    return f"`{value}`" if value.strip() and len(value) < 44 else "a key and a comma" if value.strip() else "nothing"


def _plain(sentence: str) -> str:
    return sentence.replace("|", "&#124;").replace("*", "\\*")


if __name__ == "__main__":
    sys.stdout.write(table()) if "--print" in sys.argv else TABLE.write_text(table())
