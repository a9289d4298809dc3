from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import Tags, register

from omniviewer.operations import fault_reports, health, live, metrics
from omniviewer.operations.deployment import check_parts, check_settings
from omniviewer.operations.front import check_python
from omniviewer.private_files import check_file_modes

if TYPE_CHECKING:
    from omniviewer.accounts.models import ApiToken


class AccountsConfig(AppConfig):
    name = "omniviewer.accounts"
    label = "accounts"

    def ready(self) -> None:
        if settings.SENTRY_DSN:
            fault_reports.begin(settings.SENTRY_DSN)
        health.add_part(health.Part("encryption keys", _keys))
        health.add_part(health.Part("secret key", _secret_key))
        metrics.add_gauge(health.PARTS_OK)
        for check in (check_file_modes, check_python, check_settings):
            register(check, Tags.security, deploy=True)
        register(check_parts, Tags.database, deploy=True)
        from omniviewer.accounts.sign_in import live_trials  # noqa: PLC0415  (it needs the apps)

        for trial in live_trials.TRIALS:
            live.add(trial)


def _keys() -> str:
    """Check for `/readyz` that the keys in use decrypt the API token stored last."""
    from omniviewer.accounts.encryption import Undecryptable  # noqa: PLC0415  (as below)

    last = _last_token()
    try:
        _ = last and last.token
    except Undecryptable as error:
        return f"{error} Add the key that was in use before"
    return health.OK


def _secret_key() -> str:
    """Check for `/readyz` that the API token stored last is known by a signing key of this site.

    Where it is not, sessions of the site that stored it are none here: its readers are signed out.
    """
    from omniviewer.accounts.encryption import Undecryptable, digests  # noqa: PLC0415  (as below)

    last = _last_token()
    try:
        is_known = last is None or last.digest in digests(last.token)
    except Undecryptable:
        return health.OK  # cannot be told, and the line about encryption keys says why
    if is_known:
        return health.OK
    return "OMNIVIEWER_SECRET_KEY is another than on the site before. Set the same one, or run omniviewer rotate_keys"


def _last_token() -> "ApiToken | None":
    """Return the API token that was stored last."""
    from omniviewer.accounts.models import ApiToken  # noqa: PLC0415  (the models are not there before)

    return ApiToken.objects.with_secret().order_by("-pk").first()
