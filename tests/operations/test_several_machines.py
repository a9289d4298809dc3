"""Machines that share a PostgreSQL, a Redis and an Omni: what a fault does to them, and that it ends by itself."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import requests

from tests.machines import Machine, shared_variables
from tests.omni_process import OmniProcess, omni_process
from tests.postgresql import PostgreSQL, postgresql
from tests.programs import free_port, need
from tests.serving import start_redis

pytestmark = pytest.mark.programs
# Requests a minute with a token; a tenth is left alone.
RATE, ALLOWED = 10, 9


class House:
    """The database, cache and Omni that machines share, and one of the machines."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._folder, self._stack = folder, stack
        self.database: PostgreSQL = stack.enter_context(postgresql())
        self._redis_port = free_port()
        self.start_redis()
        self.omni: OmniProcess = stack.enter_context(omni_process(folder, readers=5, rate=RATE, seconds=0.3))
        self.variables = shared_variables(self.database.address, self._redis_port)
        self.variables |= {"OMNIVIEWER_RATE_PER_MINUTE": str(RATE)}
        self.one = self.machine("one")
        assert self.one.run("migrate", "-v", "0").returncode == 0
        created = self.one.run("shell", "-v", "0", "-c", self.omni.creating_readers)
        assert created.returncode == 0, created.stderr
        self._sessions = json.loads(created.stdout.splitlines()[-1])
        self.one.start_site()
        self.one.start_worker()

    def machine(self, name: str, *, clock: int = 0) -> Machine:
        machine = Machine(self._folder / name, self.variables, clock=clock, workers=1)
        self._stack.callback(machine.close)
        return machine

    def start_redis(self) -> None:
        self.redis: subprocess.Popen[bytes] = start_redis(self._redis_port, self._folder)
        self._stack.callback(self.redis.wait)
        self._stack.callback(self.redis.kill)

    def threads(self, reader: int) -> list[str]:
        return [f"/conversations/{conversation}/" for conversation in self.omni.readers[reader].conversations]

    def get(self, reader: int, path: str, machine: Machine | None = None) -> requests.Response:
        address = f"{(machine or self.one).url}{path}"
        return requests.get(address, cookies={"session": self._sessions[reader]}, timeout=60, allow_redirects=False)

    def asked_by(self, reader: int) -> list[str]:
        token = self.omni.readers[reader].token
        return [row.address for row in self.omni.requests() if row.token == token]

    @contextmanager
    def execute(self, *statements: str) -> Iterator[None]:
        address = self.database.address.replace("postgres:", "postgresql:", 1)
        with psycopg.connect(address, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
        yield


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    need("Redis", "redis-server")
    with ExitStack() as stack:
        yield House(stack, tmp_path_factory.mktemp("house"))


def eventually(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.2)


def events(machine: Machine, name: str = "serve") -> list[str]:
    return [line["event"] for line in machine.lines(name) if line["level"] in ("WARNING", "ERROR")]


def test_a_database_that_is_away_and_comes_back(house: House) -> None:
    one, path = house.one, house.threads(1)[0]
    assert house.get(1, path).status_code == 200
    before = len(events(one))
    house.database.stop()
    try:
        for _ in range(2):
            page = house.get(1, path)
            assert (page.status_code, page.headers["Retry-After"]) == (503, "10")
            assert "Omniviewer cannot reach its own database" in page.text
        assert events(one)[before:] == ["the database is away or busy"] * 2
        assert one.is_healthy()
        status, parts = one.ready()
        assert (status, parts["state"]) == (503, "unready")
        assert parts["database"].startswith("cannot be queried")
        assert 'omniviewer_part_ok{part="database"} 0.0' in one.metrics()
        eventually(lambda: "the database is away or busy" in events(one, "worker"), "the worker says so")
    finally:
        house.database.start()
    assert house.get(1, path).status_code == 200
    assert one.ready()[1]["state"] == "ready"
    assert one.worker is not None
    assert one.worker.poll() is None
    assert "Traceback" not in one.log()


def test_a_cache_that_is_away_and_comes_back(house: House) -> None:
    one, path = house.one, house.threads(1)[0]
    assert house.get(1, path).status_code == 200
    house.redis.kill()
    house.redis.wait()
    try:
        assert {house.get(1, address).status_code for address in (path, "/conversations/", path)} == {200}
        assert events(one).count("the cache is away: pages do without") == 1
        status, parts = one.ready()
        assert (status, parts["state"]) == (200, "degraded")
        assert parts["cache"].endswith("pages do without")
        assert 'omniviewer_part_ok{part="cache"} 0.0' in one.metrics()
    finally:
        house.start_redis()
    assert one.ready()[1]["state"] == "ready"


def test_a_database_that_became_a_standby(house: House) -> None:
    """As after a failover, while `DATABASE_URL` still names the old primary."""
    one, (path, other, *_) = house.one, house.threads(1)
    end_others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'postgres'"
    )
    assert house.get(1, path).status_code == 200
    with house.execute("ALTER DATABASE postgres SET default_transaction_read_only = on", end_others):
        assert house.get(1, path).status_code == 200
        never_stored = house.get(1, other)
        assert never_stored.status_code == 503
        assert "Nothing new can be stored: this site’s database is read-only." in never_stored.text
        assert "the database is read-only" in events(one)
        status, parts = one.ready()
        assert (status, parts["writing"]) == (200, "the database is read-only: nothing new is stored")
        eventually(lambda: "the database is read-only" in events(one, "worker"), "the worker says so")
    undo = ("SET default_transaction_read_only = off", "ALTER DATABASE postgres RESET default_transaction_read_only")
    with house.execute(*undo, end_others):
        assert house.get(1, other).status_code == 200
    assert one.ready()[1]["state"] == "ready"
    assert one.worker is not None
    assert one.worker.poll() is None
    assert "Traceback" not in one.log()


@pytest.mark.parametrize(("reader", "hours"), [(2, 1), (3, -1)])
def test_a_clock_that_is_an_hour_off_costs_nobody_anything(house: House, reader: int, hours: int) -> None:
    """Both machines keep the token's budget together and ask once for the same thing; the wrong one takes no task."""
    two = house.machine(f"clock {hours}", clock=hours * 3600)
    two.start_site()
    two.start_worker()
    one, (first, *others) = house.one, house.threads(reader)
    with ThreadPoolExecutor() as pool:
        pages = list(pool.map(lambda machine: house.get(reader, first, machine), (one, two)))
    assert [page.status_code for page in pages] == [200, 200]
    assert [path for path in house.asked_by(reader) if first[:-1] in path] == [f"/api/v1/ai{first[:-1]}?[]"]
    for path in others:
        for machine in (one, two):
            assert house.get(reader, path, machine).status_code == 200
    # More than the budget holds, by turns.
    for number in range(6):
        house.get(reader, f"{others[number % 3]}?refresh=1", (one, two)[number % 2])
    statuses = [row.status for row in house.omni.requests() if row.token == house.omni.readers[reader].token]
    assert len(statuses) <= ALLOWED
    assert 429 not in statuses
    status, parts = two.ready()
    assert (status, parts["state"]) == (200, "degraded")
    assert re.match(rf"3[56]\d\d seconds {'ahead of' if hours > 0 else 'behind'} the database", parts["clock"])
    eventually(lambda: "the clock is wrong: no task is taken" in events(two, "worker"), "the worker says so")
    assert one.ready()[1]["clock"] == "ok"
    two.close()
