from django.apps import AppConfig
from django.core.checks import Tags, register

from omniviewer.front import check_python
from omniviewer.private_files import check_file_modes


class AccountsConfig(AppConfig):
    name = "omniviewer.accounts"
    label = "accounts"

    def ready(self) -> None:
        for check in (check_file_modes, check_python):
            register(check, Tags.security, deploy=True)
