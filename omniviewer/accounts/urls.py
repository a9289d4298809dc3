from django.conf import settings
from django.urls import path

from omniviewer.accounts import signing_in, views

app_name = "accounts"

urlpatterns = [
    path("sign-in/", signing_in.sign_in, name="sign-in"),
    path("sign-out/", signing_in.sign_out, name="sign-out"),
    path("signed-out/", signing_in.signed_out),
    path("appearance/", views.appearance, name="appearance"),
]

if settings.OIDC_ISSUER:
    from omniviewer.accounts import single_sign_on

    urlpatterns += [
        path("sign-in/oidc/", single_sign_on.to_provider),
        path("sign-in/oidc/callback/", single_sign_on.from_provider),
    ]
