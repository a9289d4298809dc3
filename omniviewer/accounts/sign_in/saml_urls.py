"""Addresses of signing in with SAML, where that is set up. The slug is `saml.SLUG`."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path
from django.views.generic import RedirectView

from omniviewer.accounts.requests import site_path
from omniviewer.accounts.sign_in import saml, single_sign_on

_signed_out = login_not_required(RedirectView.as_view(url=site_path("/signed-out/")))
urlpatterns = [
    path("", single_sign_on.to_saml),
    path("<slug:organization_slug>/acs/", saml.acs),
    path("<slug:organization_slug>/acs/finish/", single_sign_on.from_saml),
    path("<slug:organization_slug>/metadata/", single_sign_on.metadata),
    # Landing address for people whom the identity provider has signed out.
    path("<slug:organization_slug>/sls/", _signed_out),
]
