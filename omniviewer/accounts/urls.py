from django.contrib.auth.views import LogoutView
from django.urls import path

from omniviewer.accounts import views

app_name = "accounts"

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("appearance/", views.appearance, name="appearance"),
    path("credentials/", views.credentials, name="credentials"),
    path("credentials/connect/", views.connect, name="connect"),
    path("credentials/<int:pk>/", views.credential, name="credential"),
    path("credentials/<int:pk>/token/", views.replace_token, name="replace-token"),
    path("credentials/<int:pk>/default/", views.make_default, name="make-default"),
    path("credentials/<int:pk>/remove/", views.remove, name="remove"),
]
