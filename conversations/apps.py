from django.apps import AppConfig
from django.conf import settings
from django_tasks.signals import task_finished, task_started

from omniviewer.operations import health, live, metrics, traces


class Conversations(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        """Give the probes, the metrics and the audit log functions to ask what only this app knows."""
        from conversations import live_trials  # noqa: PLC0415  (it needs the models)
        from conversations.archive import background_health, gauges, titles  # noqa: PLC0415  (they need the models)
        from omniviewer.audit import titles as audit_titles  # noqa: PLC0415

        for gauge in gauges.ALL:
            metrics.add_gauge(gauge)
        audit_titles.look_up_with(titles.by_id)
        if settings.OTLP_ENDPOINT:
            traces.begin()
            tasks = traces.Tasks()
            task_started.connect(tasks.begin, weak=False)
            task_finished.connect(tasks.end, weak=False)
        health.add_part(health.Part("worker", background_health.health_of_workers))
        for trial in live_trials.TRIALS:
            live.add(trial)
