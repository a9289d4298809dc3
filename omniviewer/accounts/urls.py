from django.urls import path

from omniviewer.accounts import signing_in, views

app_name = "accounts"

urlpatterns = [
    path("sign-in/", signing_in.sign_in, name="sign-in"),
    path("sign-in/oidc/", signing_in.to_provider),
    path("sign-in/oidc/callback/", signing_in.from_provider),
    path("sign-out/", signing_in.sign_out, name="sign-out"),
    path("signed-out/", signing_in.signed_out),
    path("appearance/", views.appearance, name="appearance"),
    path("credentials/", views.credentials, name="credentials"),
    path("credentials/connect/", views.connect, name="connect"),
    path("credentials/<int:pk>/", views.credential, name="credential"),
    path("credentials/<int:pk>/token/", views.replace_token, name="replace-token"),
    path("credentials/<int:pk>/default/", views.make_default, name="make-default"),
    path("credentials/<int:pk>/remove/", views.remove, name="remove"),
]
