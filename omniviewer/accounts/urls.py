from django.conf import settings
from django.urls import path

from omniviewer.accounts import views
from omniviewer.accounts.sign_in import password

app_name = "accounts"

urlpatterns = [
    path("sign-in/", password.sign_in, name="sign-in"),
    path("sign-out/", password.sign_out, name="sign-out"),
    path("signed-out/", password.signed_out),
    path("announcements/<number:pk>/dismiss/", views.dismiss),
    path("appearance/", views.appearance, name="appearance"),
]

if settings.OIDC_ISSUER:
    from omniviewer.accounts.sign_in import single_sign_on

    urlpatterns += [
        path("sign-in/oidc/", single_sign_on.to_provider),
        path("sign-in/oidc/callback/", single_sign_on.from_provider),
    ]
