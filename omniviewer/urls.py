"""Every address of the site. Those under conversations.urls are public and never change: tickets hold them."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from omniviewer import converters
from omniviewer.accounts.admin import own_password
from omniviewer.accounts.requests import site_path
from omniviewer.accounts.sign_in import password

converters.register()
handler500 = "omniviewer.operations.error_reports.page_of_a_fault"
urlpatterns = [
    path("", RedirectView.as_view(url=site_path("/conversations/"))),
    path("", include("conversations.urls")),
    path("", include("omniviewer.accounts.urls")),
    path("", include("omniviewer.audit.urls")),
    path("scim/v2/", include("omniviewer.scim.urls")),
    # The admin has no sign-in page of its own.
    path("admin/login/", password.administration),
    path("admin/logout/", password.sign_out),
    path("admin/password_change/", own_password),
    path("admin/", admin.site.urls),
]
if settings.DEMO:
    urlpatterns += [path("demo/", include("omniviewer.demo.urls"))]
if settings.SAML_ENTITY_ID:
    urlpatterns += [path("sign-in/saml/", include("omniviewer.accounts.sign_in.saml_urls"))]
