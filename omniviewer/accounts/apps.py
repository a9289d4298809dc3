from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "omniviewer.accounts"
    label = "accounts"
