"""Checks of how a PostgreSQL database was created, on real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployed import omniviewer
from tests.operations.test_house import PRODUCTION
from tests.postgresql import PostgreSQL, postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'", "omniviewer.E003) encoding: the database stores"),
        ("ascii", "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'", "omniviewer.E003) encoding: the database stores"),
        ("posix", "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'POSIX'", "omniviewer.W007) encoding: the database"),
        ("c", "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'", "omniviewer.W007) encoding: the database knows only"),
        ("good", "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'", ""),
    ],
)
def test_how_a_database_was_created_is_told(
    server: PostgreSQL, tmp_path: Path, name: str, options: str, said: str
) -> None:
    address = server.database(name, options=f"TEMPLATE template0 {options}")
    variables = {**PRODUCTION, "DATABASE_URL": address}
    done = omniviewer(tmp_path, variables, "check", "--deploy", "--database", "default")
    if said:
        assert said in done.stderr
        assert "LC_CTYPE 'C.UTF-8'" in done.stderr
    else:
        assert "migrations: " in done.stderr
        assert "encoding" not in done.stderr
