"""Staff may look at the log here too. Nobody changes it."""

from typing import Any

from django.contrib import admin

from omniviewer.audit.models import Event


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("at", "who", "kind", "result", "conversation_id", "ticket")
    list_filter = ("kind",)
    ordering = ("-pk",)

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False
