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


def _last_word_at(credential):
    """When Omni last said anything of the credential's token: that it is accepted, or that it is not."""
    words = [at for at in (credential.checked_at, credential.rejected_at) if at]
    return max(words, default=credential.created_at)


def split(apps, _schema_editor):
    """One row a token, which every credential with that token shares; the credentials keep their order."""
    Credential = apps.get_model("accounts", "Credential")
    ApiToken = apps.get_model("accounts", "ApiToken")
    keys = MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
    holders, places = {}, {}
    for credential in Credential.objects.order_by("owner_id", "-is_default", "created_at", "pk"):
        holders.setdefault((credential.instance, _digest(keys, credential)), []).append(credential)
        credential.order = places.get(credential.owner_id, 0)
        places[credential.owner_id] = credential.order + 1
    for (instance, digest), credentials in holders.items():
        # Rejected for one of its holders, and accepted for another: what was said last counts.
        last = max(credentials, key=_last_word_at)
        names = ("ciphertext", "scope", "role", "membership_id", "checked_at", "rejected_at", "members_asked_at")
        rejections = [credential.rejected_at for credential in credentials if credential.rejected_at]
        token = ApiToken.objects.create(
            instance=instance,
            digest=digest,
            rights_since=max(rejections, default=None),
            **{name: getattr(last, name) for name in names},
        )
        for credential in credentials:
            credential.api_token = token
            credential.save(update_fields=["api_token", "order"])


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0003_api_tokens"),
    ]

    operations = [
        migrations.RunPython(split, migrations.RunPython.noop),
    ]
