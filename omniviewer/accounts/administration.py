"""The administration's site: Django's, under this site's name."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class AdministrationSite(admin.AdminSite):
    site_header = "Omniviewer administration"
    site_title = "Omniviewer administration"
    index_title = "Administration"


class StaffOnly:
    """Permissions of an admin class for all staff: Django's permissions, one by one, are not needed here."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_staff(request)

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return is_staff(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_staff(request)

    def has_change_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        return is_staff(request)


def is_staff(request: HttpRequest) -> bool:
    return bool(request.user.is_authenticated and request.user.is_active and request.user.is_staff)
