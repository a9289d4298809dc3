"""Django's administration as an app of this site. Apart from the site itself, which needs the models."""

from django.contrib.admin.apps import AdminConfig


class AdministrationConfig(AdminConfig):
    default_site = "omniviewer.accounts.administration.AdministrationSite"
