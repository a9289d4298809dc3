from django.apps import AppConfig
from django.core.checks import Tags, register

from omniviewer.private_files import check_file_modes


class AccountsConfig(AppConfig):
    name = "omniviewer.accounts"
    label = "accounts"

    def ready(self) -> None:
        register(check_file_modes, Tags.security, deploy=True)
