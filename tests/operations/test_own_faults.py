"""Faults of our own: processes that die or race, a cache that is gone."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import requests
from django.contrib.sessions.models import Session
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from conversations.models import Conversation, Flight, Message
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Fault, StandIn
from tests.conftest import EXAMPLE, credential_for, person, signed_in, text_of
from tests.programs import free_port
from tests.serving import ROOT, database_environment, serve, start_redis

pytestmark = pytest.mark.django_db(transaction=True)
THREAD = f"/conversations/{EXAMPLE}/"


def start(code: str, *words: str) -> subprocess.Popen[bytes]:
    """Start another process of the site, on the same database."""
    whole = "import os, signal, sys, django\ndjango.setup()\n" + textwrap.dedent(code)
    return subprocess.Popen([sys.executable, "-c", whole, *words], cwd=ROOT, env=database_environment())


def test_a_process_killed_in_the_middle_of_a_write_leaves_the_old_copy_whole(omni: StandIn, dialect: str) -> None:
    reader = person("owner")
    credential_for(reader, omni, omni.organization.demo_tokens["analyst"])
    client = signed_in(reader)
    client.get(THREAD)
    before = list(Message.objects.order_by("position").values_list("position", "text", "revision"))
    omni.fail(Fault.edit(lambda reply: {**reply, "messages": reply["messages"][:1]}), path="/v1/ai")
    killed = start(
        """
        from uuid import UUID
        from conversations.archive import threads
        from conversations.archive.outcomes import Fetch
        from conversations.models import Access
        from omniviewer.accounts.models import User
        # The last thing that is written: all the rest is, and nothing is committed.
        Access.shown = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        threads.open(User.objects.get(), UUID(sys.argv[1]), when=Fetch.ALWAYS)
        """,
        EXAMPLE,
    )
    assert killed.wait(timeout=30) == -signal.SIGKILL
    assert len(omni.requests) == 2
    assert list(Message.objects.order_by("position").values_list("position", "text", "revision")) == before
    assert text_of(client.get(THREAD)).count("<article") == 4
    omni.recover()
    Flight.objects.filter(landed_at=None).update(lands_by=timezone.now())
    assert client.get(THREAD + "?refresh=1").status_code == 302


def test_two_processes_that_store_the_same_end_with_one_whole_copy(omni: StandIn, dialect: str) -> None:
    reader = person("owner")
    credential_for(reader, omni, omni.organization.demo_tokens["analyst"])
    code = """
        from uuid import UUID
        from django.utils import timezone
        from conversations.archive import threads
        from omniviewer.omni import replies
        from omniviewer.accounts.models import Credential
        omni_id, word, length = UUID(sys.argv[1]), sys.argv[2], int(sys.argv[3])
        for turn in range(25):
            said = tuple(
                replies.Message("assistant", f"{word} {turn} {number}", None, None, None) for number in range(length)
            )
            reply = replies.Conversation(omni_id, None, None, None, None, None, said)
            threads.store(Credential.objects.get().api_token, reply, timezone.now())
        """
    both = [start(code, EXAMPLE, "one", "30"), start(code, EXAMPLE, "other", "20")]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    conversation = Conversation.objects.get(omni_id=EXAMPLE)
    texts = list(conversation.messages.order_by("position").values_list("text", flat=True))
    word, turn, _ = texts[0].split()
    assert texts == [f"{word} {turn} {number}" for number in range(30 if word == "one" else 20)]


def test_pages_work_without_redis_and_say_nothing_of_it(omni: StandIn, dialect: str, tmp_path: Path) -> None:
    redis = start_redis(port := free_port(), tmp_path)
    reader = person("owner")
    credential_for(reader, omni, omni.organization.demo_tokens["analyst"])
    try:
        with serve(tmp_path, CACHE_URL=f"redis://127.0.0.1:{port}/0") as site:
            session = site.reader(reader)

            def seconds_and_page() -> tuple[float, requests.Response]:
                began = time.monotonic()
                answer = session.get(site.url + THREAD, timeout=30)
                return time.monotonic() - began, answer

            seconds_and_page()
            _, with_it = seconds_and_page()
            redis.kill()
            redis.wait()
            slower, without = seconds_and_page()
            assert without.status_code == 200
            assert _articles(without) == _articles(with_it) != []
            assert "edis" not in without.text
            assert slower < 5
            redis = start_redis(port, tmp_path)
            assert seconds_and_page()[1].status_code == 200
            assert "Traceback" not in site.log
            # One line of each process that found it away, however many pages it answered.
            assert 1 <= site.log.count("the cache is away: pages do without") <= len(site.workers)
    finally:
        redis.kill()
        redis.wait()


def _articles(answer: requests.Response) -> list[str]:
    return answer.text.split("<article")[1:-1]


@pytest.mark.parametrize("error", [OperationalError("terminating connection"), InterfaceError("connection is closed")])
def test_a_database_that_goes_away_while_a_session_is_saved_is_away_and_the_session_is_not_gone(
    owner: User, monkeypatch: pytest.MonkeyPatch, dialect: str, error: Exception
) -> None:
    client = signed_in(owner)
    client.raise_request_exception = False
    session = client.session
    session["seen_at"] = 0  # so that the next page saves it
    session["began_at"] = int(time.time())
    session.save()

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(Session, "save", fail)
        broken.setattr("omniviewer.accounts.sessions.settings.SESSION_IDLE", 10**10)
        answer = client.get("/credentials/")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "10"
    broken_off = client.session
    broken_off["seen_at"] = int(time.time())
    broken_off.save()
    assert client.get("/credentials/").status_code == 200
