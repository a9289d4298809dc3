"""The administration's site: Django's, under this site's name."""

from django.contrib import admin


class AdministrationSite(admin.AdminSite):
    site_header = "Omniviewer administration"
    site_title = "Omniviewer administration"
    index_title = "Administration"
