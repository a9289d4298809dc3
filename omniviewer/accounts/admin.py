"""Staff manage people here. Credentials are not registered: nobody but their owner handles them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_post_parameters

from omniviewer.accounts.administration import StaffOnly, is_staff
from omniviewer.accounts.announcements import Announcement
from omniviewer.accounts.models import Credential, Identity, User
from omniviewer.audit import trail
from omniviewer.audit.models import Kind

_POWERS = ("is_staff", "is_superuser", "is_auditor", "groups", "user_permissions")


class Identities(admin.TabularInline):  # type: ignore[type-arg]
    """The identities of a person: read-only, and removable if one belongs to somebody else by now."""

    model = Identity
    extra = 0
    readonly_fields = ("issuer", "subject", "created_at")

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Refuse: only signing in creates an identity."""
        return False


@admin.register(User)
class People(StaffOnly, UserAdmin):  # type: ignore[type-arg]
    """The admin of people. Each change of a person is an event of the audit log."""

    inlines = (Identities,)
    actions = ("sign_out_everywhere",)

    @admin.action(description="Sign out everywhere", permissions=["change"])
    def sign_out_everywhere(self, request: HttpRequest, people: QuerySet[User]) -> None:
        for user in people:
            user.end_sessions()
            trail.record(request, Kind.SESSIONS_ENDED, whom=user.username)
        messages.success(request, f"{len(people)} signed out everywhere.")

    # Setting somebody's password means signing in as them and reading with their API tokens.

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        user = self.get_object(request, id)
        if user and not _may_set_password(request, user):
            raise PermissionDenied(
                "You cannot set the password of a person who signs in elsewhere or has connected Omni."
            )
        response: HttpResponse = _hide_passwords(super().user_change_password)(request, id, form_url)
        return response

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Leave out the password's hash, and the link to set it, if staff may not set this person's password."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None:
            fieldsets = [(name, {**options, "fields": _with_auditor(options["fields"])}) for name, options in fieldsets]
        if obj is None or _may_set_password(request, obj):
            return fieldsets
        return [
            (name, {**options, "fields": tuple(field for field in options["fields"] if field != "password")})
            for name, options in fieldsets
        ]

    # Only a superuser may make somebody a superuser, or change one.

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return super().get_readonly_fields(request, obj) if _is_superuser(request) else _POWERS

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return is_staff(request) and _outranks(request, obj)

    def has_delete_permission(self, _request: HttpRequest, _obj: User | None = None) -> bool:
        """Refuse: a deleted row would leave behind data that only its tokens could read. Use `manage.py offboard`."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Leave superusers out of actions: Django checks no permission for each row of a queryset."""
        people: QuerySet[User] = super().get_queryset(request)
        is_action = request.method == "POST" and "action" in request.POST
        return people.filter(is_superuser=False) if is_action and not _is_superuser(request) else people

    # Django calls these methods for every change made here.

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        trail.record(request, Kind.PERSON_ADDED, whom=obj.username)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        fields = _fields(message)
        kind = Kind.PASSWORD_SET if fields == ["password"] else Kind.PERSON_CHANGED
        trail.record(request, kind, whom=obj.username, fields=", ".join(fields))
        return super().log_change(request, obj, message)


@admin.register(Announcement)
class Announcements(StaffOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """The admin of announcements. Each change is an event of the audit log, without the text."""

    list_display = ("text", "level", "starts_at", "ends_at", "is_public")
    ordering = ("-starts_at", "-pk")
    actions = None

    def has_delete_permission(self, request: HttpRequest, _obj: Announcement | None = None) -> bool:
        return is_staff(request)

    def log_addition(self, request: HttpRequest, obj: Announcement, message: Any) -> Any:
        trail.record(request, Kind.ANNOUNCED, fields=f"{obj}: added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Announcement, message: Any) -> Any:
        trail.record(request, Kind.ANNOUNCED, fields=f"{obj}: {', '.join(_fields(message)) or 'nothing'}")
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Announcement]) -> Any:
        for row in queryset:
            trail.record(request, Kind.ANNOUNCED, fields=f"{row}: deleted")
        return super().log_deletions(request, queryset)


def own_password(request: HttpRequest) -> HttpResponse:
    """Serve the admin's page for one's own password, and log the event if it sets one."""
    response: HttpResponse = admin.site.admin_view(admin.site.password_change, cacheable=True)(request)
    is_form = request.method == "POST" and admin.site.has_permission(request)
    if is_form and response.status_code == 302:  # noqa: PLR2004
        trail.record(request, Kind.PASSWORD_SET, whom=request.user.get_username(), fields="password")
    return response


def _with_auditor(fields: Any) -> Any:
    """Return a section's fields, with the auditor's role before the staff's."""
    if "is_staff" not in fields:
        return fields
    place = list(fields).index("is_staff")
    return (*fields[:place], "is_auditor", *fields[place:])


_hide_passwords = sensitive_post_parameters()


def _may_set_password(request: HttpRequest, user: User) -> bool:
    """Return whether this is the reader's own account, or one without single sign-on and without credentials."""
    return user == request.user or not (user.identities.exists() or Credential.objects.owned_by(user).exists())


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_authenticated and request.user.is_superuser)


def _outranks(request: HttpRequest, user: User | None) -> bool:
    return user is None or not user.is_superuser or _is_superuser(request)


def _fields(message: Any) -> list[str]:
    """Return the names of the fields in what Django says of a change, and of what hangs on the person."""
    fields: list[str] = []
    for entry in message if isinstance(message, list) else []:
        for done, about in entry.items():
            if "name" in about:
                fields.append(f"{about['name']} {done}")
            else:
                fields += [name.lower() for name in about.get("fields", [])]
    return fields
