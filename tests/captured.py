"""Answers with evidence in a small organization, and the worker that captures it."""

import re
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from django.test import Client
from django_tasks_db.management.commands import db_worker
from django_tasks_db.models import DBTaskResult

from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member
from tests.conftest import text_of

DAY = timedelta(days=1)


def answered(
    small: Organization, owner: Member, *, ages: list[timedelta], state: str = "COMPLETE", error: str = ""
) -> InOmni:
    """Add a conversation with an answer of each age, each with a query of three rows and a chart."""
    found = small.add_conversation(owner=owner, name="Orders by month", turns=[])
    for number, age in enumerate(ages):
        job = small.ask(found, f"How many orders in month {number}?", "Some.", at=datetime.now(UTC) - age)
        rows = [["Month", "Orders"], ["2026-01", "10"], ["2026-02", "20"], ["2026-03", "1,030"]]
        query = {"table": "orders", "fields": ["orders.month", "orders.count"]}
        job.actions = (Step("generate_query", "Counting", "Orders by month", query, rows),)
        job.topic, job.chart, job.state, job.error = "orders", True, state, error
    return found


def thread_page(client: Client, address: str) -> str:
    """Return a thread's page with the links to the conversations beside it, which it asks for when it is open."""
    page = text_of(client.get(address))
    later = re.search(r'hx-get="([^"]+/neighbours/)"', page)
    return page + text_of(client.get(later.group(1), headers={"HX-Request": "true"})) if later else page


def work() -> None:
    """Run a worker until no task is ready. It keeps its database connection, since the test's transaction is on it."""
    with patch.object(db_worker, "close_old_connections"):
        db_worker.Worker(
            queue_names=["default"],
            interval=0,
            batch=True,
            backend_name="default",
            startup_delay=False,
            max_tasks=None,
            worker_id="test",
            excluded_queue_names=[],
        ).run()
    assert not DBTaskResult.objects.failed().exists(), DBTaskResult.objects.failed()[0].traceback


def thread(found: InOmni) -> str:
    return f"/conversations/{found.id}/"
