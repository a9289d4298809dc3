"""Encoding and character classes of a PostgreSQL database, which are chosen when it is created."""

from enum import Enum

from django.db import connection

ADVICE = (
    "Create it by CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8', and "
    "bring the rows over by omniviewer backup and omniviewer restore"
)
# PostgreSQL's libc and its own provider; ICU knows all letters.
_BY_CTYPE, _BUILTIN = "c", "b"


class Fault(Enum):
    """A fault of how the database was created; the value is a sentence with places for what was found."""

    ENCODING = "the database stores text as {encoding}, not as UTF8: most languages and symbols cannot be stored"
    LETTERS = "the database knows only the letters of ASCII (LC_CTYPE {ctype}): É and é are different names to it"


def fault() -> tuple[Fault, str] | None:
    """Return the fault with its sentence; None where there is none, and for SQLite."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        # As JSON, because each version of PostgreSQL names the provider's own locale differently, or not at all.
        cursor.execute(
            "SELECT pg_encoding_to_char(encoding), datctype, to_jsonb(row) ->> 'datlocprovider', "
            "to_jsonb(row) ->> 'datlocale' FROM pg_database AS row WHERE datname = current_database()"
        )
        encoding, of_system, provider, own = cursor.fetchone()
    found = None
    ctype = own if provider == _BUILTIN else of_system if provider in (_BY_CTYPE, None) else ""
    if encoding != "UTF8":
        found = Fault.ENCODING
    elif ctype in ("C", "POSIX"):
        found = Fault.LETTERS
    return (found, found.value.format(encoding=encoding, ctype=ctype)) if found else None
