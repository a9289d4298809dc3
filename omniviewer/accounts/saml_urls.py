"""Addresses of signing in with SAML, where that is set up. The slug is the one that allauth wants: `saml.SLUG`."""

from django.urls import path
from django.views.generic import RedirectView

from omniviewer.accounts import saml, single_sign_on

urlpatterns = [
    path("", single_sign_on.to_saml),
    path("<slug:organization_slug>/acs/", saml.Acs.as_view(), name="saml_acs"),
    path("<slug:organization_slug>/acs/finish/", single_sign_on.from_saml, name="saml_finish_acs"),
    path("<slug:organization_slug>/metadata/", saml.Metadata.as_view(), name="saml_metadata"),
    # Where an identity provider may send people whom it has signed out.
    path("<slug:organization_slug>/sls/", RedirectView.as_view(url="/signed-out/"), name="saml_sls"),
]
