from django.apps import AppConfig

from omniviewer.operations import health, metrics


class Conversations(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        """Tell the probes and the metrics what the database knows of the background; asked for at each scrape."""
        from conversations.archive import background_health  # noqa: PLC0415  (they need the models)
        from conversations.upstream import budget  # noqa: PLC0415

        metrics.budget_left_from(budget.left_by_token)
        for name, meaning, value in background_health.GAUGES:
            metrics.gauge(name, meaning, value)
        health.add_part(health.Part("worker", background_health.health_of_workers))
