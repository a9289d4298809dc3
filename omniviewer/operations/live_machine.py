"""Trials of what a site stands on: database, cache, files, disk, clock, time zone, e-mail."""

import shutil
import smtplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from omniviewer.environment import MailServer
from omniviewer.omni.addresses import is_loopback
from omniviewer.operations import database_clock, database_encoding, health
from omniviewer.operations.live import Finding, Live, Trial, fail, ok, warn
from omniviewer.private_files import check_file_modes

# Advice for a part of `/readyz` that is not in order. The worker has a trial of its own.
_ADVICE = {
    "database": "Start it, and look at host, name, user and password in DATABASE_URL.",
    "migrations": "Do so before the site is started.",
    "static files": "Without them no page is served.",
    "cache": "Start Redis, and look at host and password in CACHE_URL.",
    "disk": "Make room, or give the folder to the site's user.",
    "writing": "Have DATABASE_URL name the primary, or end default_transaction_read_only.",
    "metrics": "Make room, or give the folder that PROMETHEUS_MULTIPROC_DIR names to the site's user.",
    "secret key": "Readers are signed out by turns where sites differ.",
    "version": "Old and new may differ for the time of an upgrade alone.",
    "encryption keys": "Stored tokens cannot be read without the key.",
}
# The words for a part that is in order.
_WELL = {
    "secret key": "stored tokens are known by it",
    "version": "of the same as the program",
    "writing": "the database can be written",
    "migrations": "all applied",
    "static files": "collected",
    "cache": "keeps what it is given",
    "disk": "the database's folder can be written",
    "metrics": "their folder can be written",
    "encryption keys": "they decrypt what is stored",
}
# Bytes free beside an SQLite database: below the first the site stands soon, below the second a month is not sure.
_FAILS_BELOW, _WARNS_BELOW = 200 * 2**20, 2 * 2**30
# Sign-ins by OpenID fail from the second on, and captures come at wrong times from the first.
_MAIL_SECONDS = 10
_CLOCK_WARNS = timedelta(seconds=5)


def _parts(live: Live) -> Iterator[Finding]:
    """Ask what `/readyz` asks."""
    # Two parts have trials of their own.
    told = {part.name: said for part, said in health.asked_parts() if part.name not in ("worker", "clock")}
    live.has_tables = told["database"] == told["migrations"] == health.OK
    for name, said in told.items():
        if said == health.OK:
            finding = ok(health.database_version() if name == "database" else _WELL.get(name, said))
        else:
            finding = fail(said, _ADVICE.get(name, "See Logs, probes and metrics."))
        yield finding._replace(part=name)


def _encoding(live: Live) -> Iterator[Finding]:
    if connection.vendor != "postgresql" or not live.has_tables:
        return
    match database_encoding.fault():
        case (database_encoding.Fault.ENCODING, said):
            yield fail(said, f"{database_encoding.ADVICE}.")
        case (database_encoding.Fault.LETTERS, said):
            yield warn(said, f"{database_encoding.ADVICE}.")
        case _:
            yield ok("UTF8, with the letters of all languages")


def _files(_live: Live) -> Iterator[Finding]:
    wrong = check_file_modes(None)
    for message in wrong:
        yield fail(str(message.msg).rstrip("."), f"{message.hint}.")
    if not wrong:
        yield ok("keys, database and counts are readable by their owner alone")


def _disk(_live: Live) -> Iterator[Finding]:
    if connection.vendor != "sqlite":
        return
    file = Path(connection.settings_dict["NAME"])
    free, size = shutil.disk_usage(file.parent).free, file.stat().st_size if file.exists() else 0
    found = f"{_megabytes(free)} free beside a database of {_megabytes(size)}"
    if free < _FAILS_BELOW:
        yield fail(found, "Make room: on a full disk nothing new is stored.")
    elif free < max(_WARNS_BELOW, size):
        yield warn(found, "Make room for its growth, and for a backup beside it.")
    else:
        yield ok(found)


def _megabytes(size: int) -> str:
    return f"{size // 2**20:,} MB"


def _time_zone(live: Live) -> Iterator[Finding]:
    name = settings.TIME_ZONE
    if connection.vendor == "postgresql" and live.has_tables:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_timezone_names WHERE name = %s", [name])
            if not cursor.fetchone():
                yield fail(f"PostgreSQL does not know {name}", "Install the time zones (tzdata) where it runs.")
                return
    yield ok(f"{name}, where it is {timezone.localtime():%H:%M} now")


def _clock(live: Live) -> Iterator[Finding]:
    """Compare the clock with the database's, and with those of the servers that answered before."""
    clocks = dict(live.clocks)
    if connection.vendor == "postgresql" and live.has_tables:
        clocks["the database"] = database_clock.measure()
    if not clocks:
        yield warn(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, compared with nobody's", "Have it set by NTP.")
    for name, ahead in clocks.items():
        seconds = round(abs(ahead.total_seconds()))
        if abs(ahead) < _CLOCK_WARNS:
            yield ok(f"as {name} has it")
            continue
        found = f"this machine is {seconds} seconds {'behind' if ahead > timedelta() else 'ahead of'} {name}"
        level = fail if abs(ahead) >= database_clock.WRONG else warn
        yield level(found, "Have both set by NTP: sign-ins and what Omni drops by date depend on it.")


def _mail(live: Live) -> Iterator[Finding]:
    """Connect and sign in; nothing is sent but to `--send-to`."""
    server: MailServer | None = settings.MAIL_SERVER
    if server is None and live.send_to:
        yield fail("no server is set, so nothing was sent", "Set OMNIVIEWER_EMAIL_URL and OMNIVIEWER_EMAIL_FROM.")
    elif server is None:
        yield ok("no server is set, and nothing is sent")
    else:
        yield _talk(server, live.send_to)


def _talk(server: MailServer, send_to: str) -> Finding:
    named = f"{server.host}:{server.port}"
    try:
        with _connected(server) as connected:
            if send_to:
                connected.send_message(_message(send_to))
    except (OSError, smtplib.SMTPException) as error:
        return fail(
            f"{named}: {_said(error)}", "Look at scheme, host, port, name and password in OMNIVIEWER_EMAIL_URL."
        )
    done = f"took a message to {send_to}" if send_to else "took the connection, and nothing was sent"
    if server.scheme == "smtp" and not is_loopback(server.host):
        return warn(
            f"{named} {done}, without TLS", "Write smtp+tls:// (STARTTLS) or smtp+ssl:// in OMNIVIEWER_EMAIL_URL."
        )
    return ok(f"{named} {done}")


def _connected(server: MailServer) -> smtplib.SMTP:
    trusted = ssl.create_default_context()
    if server.scheme == "smtp+ssl":
        connected: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=_MAIL_SECONDS, context=trusted)
    else:
        connected = smtplib.SMTP(server.host, server.port, timeout=_MAIL_SECONDS)
    try:
        if server.scheme == "smtp+tls":
            connected.starttls(context=trusted)
        if server.user:
            connected.login(server.user, server.password)
    except BaseException:
        connected.close()
        raise
    return connected


def _message(to: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Omniviewer can send e-mail", settings.MAIL_FROM, to
    message["Date"] = format_datetime(datetime.now(UTC))
    message.set_content("This was sent by `omniviewer check --live --send-to`. E-mail of this site arrives.")
    return message


def _said(error: Exception) -> str:
    """Name an error by its kind and code: a server's words may quote the password back."""
    match error:
        case smtplib.SMTPAuthenticationError():
            said = f"it does not take this name and password ({error.smtp_code})"
        case smtplib.SMTPResponseException():
            said = f"it refused ({error.smtp_code})"
        case smtplib.SMTPRecipientsRefused():
            said = "it refused the address"
        case smtplib.SMTPNotSupportedError():
            said = "it does not offer STARTTLS, or no signing in"
        case ssl.SSLError():
            said = "its certificate is not trusted here"
        case ConnectionRefusedError():
            said = "the connection was refused"
        case TimeoutError():
            said = "it did not answer in time"
        case _:
            said = f"it cannot be asked ({type(error).__name__})"
    return said


ENCODING = Trial("encoding", _encoding)
PARTS, FILES, DISK = Trial("site", _parts), Trial("files", _files), Trial("disk", _disk)
TIME_ZONE, MAIL, CLOCK = Trial("time zone", _time_zone), Trial("e-mail", _mail), Trial("clock", _clock)
FIRST, LAST = [PARTS, ENCODING, FILES, DISK, TIME_ZONE, MAIL], [CLOCK]
