from django.apps import AppConfig

from omniviewer import metrics


class Conversations(AppConfig):
    name = "conversations"

    def ready(self) -> None:
        """Tell the metrics where budgets are counted: they are asked for at each scrape."""
        from conversations import asking  # noqa: PLC0415  (it needs the models)

        metrics.budget_left_from(asking.left_by_token)
