"""Watching the site: gauges from the database, alert rules and a dashboard that name nothing else, and quiet probes."""

import json
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult, get_date_max
from pytest_django import Settings

from conversations.archive import gauges, sync
from conversations.models import Conversation, Job, Walk
from omniviewer.accounts.models import ApiToken
from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Member
from tests.captured import DAY, answered, thread, work
from tests.operations.test_operation import TOKEN, a_task, scraped
from tests.programs import need
from tests.serving import ROOT

ALERTS = ROOT / ".deploy/prometheus"
DASHBOARD = json.loads((ROOT / ".deploy/grafana/omniviewer.json").read_text())


@pytest.fixture
def told(settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    cache.clear()
    gauges._stored.forget()


@pytest.mark.usefixtures("told")
def test_what_is_stored_is_counted(reads: Client, small: Organization, analyst: Member) -> None:
    made = answered(small, analyst, ages=[20 * DAY, 12 * DAY, 1 * DAY])
    small.add_conversation(owner=analyst, name="Unread", turns=[("?", "!")])
    reads.get("/conversations/")
    reads.get(thread(made))
    work()
    found, omni = scraped(Client()), ApiToken.objects.get().instance
    assert found["omniviewer_conversations", omni, "listed"] == 2
    assert found["omniviewer_conversations", omni, "fetched"] == Conversation.objects.exclude(fetched_at=None).count()
    assert found["omniviewer_answers", "captured", omni] == Job.objects.exclude(kept_at=None).count() > 0
    assert found["omniviewer_answers", "lost", omni] == 1
    assert found["omniviewer_evidence_bytes", omni] > 0
    assert found["omniviewer_tokens", omni, "accepted"] == 1
    assert found["omniviewer_database_bytes",] > 0
    ApiToken.objects.get().reject()
    # These counts are cheap, so they are of this moment.
    assert scraped(Client())["omniviewer_tokens", omni, "rejected"] == 1


@pytest.mark.usefixtures("told", "db")
def test_the_oldest_task_is_told() -> None:
    now = timezone.now()
    assert scraped(Client())["omniviewer_oldest_task_age_seconds",] == 0
    a_task(run_after=now + timedelta(hours=1))
    assert scraped(Client())["omniviewer_oldest_task_age_seconds",] == 0
    a_task(run_after=now - timedelta(minutes=3))
    assert 179 < scraped(Client())["omniviewer_oldest_task_age_seconds",] < 200
    at_once = a_task(run_after=now)
    DBTaskResult.objects.filter(pk=at_once.pk).update(run_after=get_date_max(), enqueued_at=now - timedelta(minutes=9))
    assert 539 < scraped(Client())["omniviewer_oldest_task_age_seconds",] < 560


@pytest.mark.usefixtures("told")
def test_a_list_that_is_late_is_told_by_its_instance(reads: Client, settings: Settings) -> None:
    settings.SYNC = "list"
    sync.begin_walks()
    omni = ApiToken.objects.get().instance
    assert scraped(Client())["omniviewer_sync_lag_seconds", omni] < 60
    earlier = timezone.now() - timedelta(hours=2)
    Walk.objects.update(not_before=earlier, leased_until=earlier)
    assert Walk.objects.due().exists()
    assert 7190 < scraped(Client())["omniviewer_sync_lag_seconds", omni] < 7300


# Probes ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "peer", "tells"),
    [
        ({}, "127.0.0.1", True),
        ({}, "::1", True),
        ({}, "10.0.0.7", False),
        ({}, "", False),
        ({"X-Forwarded-For": "203.0.113.9"}, "127.0.0.1", False),
        ({"X-Forwarded-Proto": "https"}, "127.0.0.1", False),
        ({"X-Real-IP": "203.0.113.9"}, "127.0.0.1", False),
        ({"Via": "1.1 proxy"}, "127.0.0.1", False),
        ({"X-Forwarded-For": "203.0.113.9", "Authorization": f"Bearer {TOKEN}"}, "127.0.0.1", True),
        ({"Authorization": f"Bearer {TOKEN}x"}, "10.0.0.7", False),
    ],
)
def test_strangers_are_told_the_state_alone(
    headers: dict[str, str], peer: str, tells: bool, settings: Settings
) -> None:
    settings.METRICS_TOKEN = TOKEN
    answer = Client(REMOTE_ADDR=peer).get("/readyz", headers=headers)
    assert answer.status_code == 200
    state, *lines = answer.content.decode().splitlines()
    assert state in ("ready", "degraded")
    assert bool(lines) == tells
    assert any("migrations" in line for line in lines) == tells


# Alert rules and dashboard --------------------------------------------------------------------------------


def names_in(text: str) -> set[str]:
    return {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in re.findall(r"\bomniviewer_[a-z_]+", text)}


def documented() -> set[str]:
    rows = re.findall(r"^\| `(omniviewer_[^`]+)`", (ROOT / ".docs/operations.md").read_text(), re.M)
    return names_in(" ".join(rows))


def promtool(*words: str | Path) -> str:
    done = subprocess.run(
        [need("promtool", "promtool"), *map(str, words)], cwd=ALERTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_alerts_are_rules_and_each_has_a_story() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts.test.yml")
    rules, stories = (ALERTS / "alerts.yml").read_text(), (ALERTS / "alerts.test.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert len(alerts) == len(set(alerts)) > 8
    for alert in alerts:
        assert re.search(rf"alertname: {alert}\n\s+exp_alerts: \[{{", stories), alert
    assert names_in(rules) <= documented()


def test_the_metrics_are_as_prometheus_wants_them(settings: Settings, db: None) -> None:
    settings.METRICS_TOKEN = TOKEN
    text = Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content
    done = subprocess.run(
        [need("promtool", "promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_dashboard_can_be_imported_and_names_real_metrics(tmp_path: Path) -> None:
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    taken: set[tuple[int, int]] = set()
    expressions = []
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        expressions += [target["expr"] for target in panel["targets"]]
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__rate_interval"}
    assert used <= variables
    assert names_in(" ".join(expressions)) <= documented()
    # Each gauge and counter is shown somewhere.
    assert documented() - names_in(" ".join(expressions)) <= {"omniviewer_budget_per_minute"}
    lines = ["groups:", "  - name: dashboard", "    rules:"]
    for number, expression in enumerate(expressions):
        plain = expression.replace("$__rate_interval", "5m").replace("$job", ".*")
        lines += [f"      - record: panel:{number}", f"        expr: {json.dumps(plain)}"]
    (tmp_path / "rules.yml").write_text("\n".join(lines) + "\n")
    promtool("check", "rules", tmp_path / "rules.yml")
