"""Staff may look at the log here too. Nobody changes it."""

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator

from omniviewer.audit.models import Event

# Counting millions of events takes longer than showing a page of them. The audit log's own page goes back to the first.
MAX_EVENTS = 10_000


class NewestEvents(Paginator):  # type: ignore[type-arg]
    """Pages of the newest events that match, up to `MAX_EVENTS`."""

    @cached_property
    def count(self) -> int:
        newest: Any = self.object_list[:MAX_EVENTS]
        return int(newest.count())


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("at", "who", "kind", "result", "conversation_id", "ticket")
    list_filter = ("kind",)
    ordering = ("-pk",)
    paginator = NewestEvents
    show_full_result_count = False

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False
