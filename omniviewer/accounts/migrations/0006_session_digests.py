"""Keep sessions by a digest of their key; who is signed in stays so."""

import hashlib
from base64 import urlsafe_b64encode

from django.db import migrations

RAW_KEY_CHARS = 32


def keep_digests(apps, _schema_editor):
    sessions = apps.get_model("sessions", "Session").objects
    for key in list(sessions.values_list("session_key", flat=True)):
        if len(key) == RAW_KEY_CHARS:
            digest = urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode()[:40]
            sessions.filter(session_key=key).update(session_key=digest)


class Migration(migrations.Migration):

    dependencies = [("accounts", "0005_credentials_hold_tokens"), ("sessions", "0001_initial")]

    operations = [migrations.RunPython(keep_digests, migrations.RunPython.noop)]
