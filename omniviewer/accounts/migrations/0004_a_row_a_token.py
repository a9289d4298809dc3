from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import migrations
from django.utils.crypto import salted_hmac


def _digest(keys, credential):
    """The digest by which a token is known; a name of its own for one that no key in use decrypts."""
    try:
        token = keys.decrypt(credential.ciphertext.encode()).decode()
    except InvalidToken:
        return f"undecryptable-{credential.pk}"
    return salted_hmac("omniviewer.token", token, algorithm="sha256").hexdigest()


def split(apps, _schema_editor):
    """One row a token, which every credential with that token shares; the credentials keep their order."""
    Credential = apps.get_model("accounts", "Credential")
    ApiToken = apps.get_model("accounts", "ApiToken")
    keys = MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
    places = {}
    for credential in Credential.objects.order_by("owner_id", "-is_default", "created_at", "pk"):
        told = {
            name: getattr(credential, name)
            for name in ("ciphertext", "scope", "role", "membership_id", "checked_at", "members_asked_at")
        }
        token, is_new = ApiToken.objects.get_or_create(
            instance=credential.instance,
            digest=_digest(keys, credential),
            defaults=told | {"rejected_at": credential.rejected_at, "rights_since": credential.rejected_at},
        )
        # Rejected for one of its holders, and accepted later for another: what was said last counts.
        if not is_new and (credential.checked_at or credential.created_at) > (token.checked_at or token.created_at):
            for name, value in told.items():
                setattr(token, name, value)
            token.rejected_at = credential.rejected_at
            token.save()
        credential.api_token = token
        credential.order = places.get(credential.owner_id, 0)
        places[credential.owner_id] = credential.order + 1
        credential.save()


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0003_api_tokens"),
    ]

    operations = [
        migrations.RunPython(split, migrations.RunPython.noop),
    ]
