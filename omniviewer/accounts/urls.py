from django.conf import settings
from django.urls import path

from omniviewer.accounts import removal, signing_in, views

app_name = "accounts"

urlpatterns = [
    path("sign-in/", signing_in.sign_in, name="sign-in"),
    path("sign-out/", signing_in.sign_out, name="sign-out"),
    path("signed-out/", signing_in.signed_out),
    path("appearance/", views.appearance, name="appearance"),
    path("credentials/", views.credentials, name="credentials"),
    path("credentials/connect/", views.connect, name="connect"),
    path("credentials/<number:pk>/", views.credential, name="credential"),
    path("credentials/<number:pk>/token/", views.replace_token, name="replace-token"),
    path("credentials/<number:pk>/default/", views.make_default, name="make-default"),
    path("credentials/<number:pk>/remove/", removal.remove, name="remove"),
    path("credentials/<number:pk>/hand-over/", removal.offer, name="offer"),
    path("credentials/offers/<number:pk>/", removal.answer, name="answer-offer"),
    path("credentials/removals/", removal.removals, name="removals"),
]

if settings.OIDC_ISSUER:
    from omniviewer.accounts import single_sign_on

    urlpatterns += [
        path("sign-in/oidc/", single_sign_on.to_provider),
        path("sign-in/oidc/callback/", single_sign_on.from_provider),
    ]
