"""Staff manage people here. Credentials are not registered: nobody but their owner handles them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest

from omniviewer.accounts.models import Identity, User


class Identities(admin.TabularInline):  # type: ignore[type-arg]
    """By what somebody is recognized: to be read, and to be removed where it is no longer theirs."""

    model = Identity
    extra = 0
    readonly_fields = ("issuer", "subject", "created_at")

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Only signing in makes one."""
        return False


@admin.register(User)
class People(UserAdmin):  # type: ignore[type-arg]
    inlines = (Identities,)
    actions = ("sign_out_everywhere",)

    @admin.action(description="Sign out everywhere")
    def sign_out_everywhere(self, request: HttpRequest, people: QuerySet[User]) -> None:
        for user in people:
            user.end_sessions()
        messages.success(request, f"{len(people)} signed out everywhere.")
