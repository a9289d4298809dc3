"""The pages below /admin/. A module of its own: Django takes the only configuration in apps.py for the app's."""

from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class Administration(AdminConfig):
    """Django's administration, limited to the site's own tables."""

    def ready(self) -> None:
        """Take away the tables of allauth, which it needs to exist and nobody to fill: people are `Identity` here."""
        super().ready()
        for model in list(admin.site._registry):
            if model.__module__.startswith("allauth."):
                admin.site.unregister(model)
