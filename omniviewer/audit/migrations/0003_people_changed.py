"""Name the person whom staff changed. SQLite makes the table anew for that, so its trigger has to be made anew too."""

from django.db import migrations, models

TABLE, NAME, SAYS = "audit_event", "audit_event_append_only", "The audit log is append only."


def allow_changes(_apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {NAME}")


def refuse_changes(apps, schema_editor):
    """PostgreSQL compares whole rows, whatever their columns."""
    if schema_editor.connection.vendor == "sqlite":
        fields = apps.get_model("audit", "Event")._meta.local_fields
        same = " AND ".join(f'NEW."{field.column}" IS OLD."{field.column}"' for field in fields if field.name != "user")
        schema_editor.execute(
            f'CREATE TRIGGER {NAME} BEFORE UPDATE ON {TABLE} WHEN NOT (NEW."user_id" IS NULL AND {same}) '
            f"BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
        )


KINDS = [
    ("signed-in", "Signed in"),
    ("signed-out", "Signed out"),
    ("refused", "Sign-in refused"),
    ("opened", "Opened a conversation"),
    ("exported", "Exported a conversation"),
    ("captured", "Captured evidence"),
    ("searched", "Searched"),
    ("credential-added", "Added a credential"),
    ("credential-changed", "Changed a credential"),
    ("credential-removed", "Removed a credential"),
    ("ticket-removed", "Removed a ticket"),
    ("person-added", "Added a person"),
    ("person-changed", "Changed a person"),
    ("person-removed", "Removed a person"),
    ("password-set", "Set a password"),
    ("sessions-ended", "Signed a person out everywhere"),
]


class Migration(migrations.Migration):

    dependencies = [("audit", "0002_append_only")]

    operations = [
        migrations.RunPython(allow_changes, refuse_changes),
        migrations.AddField("event", "whom", models.CharField(blank=True, default="", max_length=150), preserve_default=False),
        migrations.AddField("event", "fields", models.CharField(blank=True, default="", max_length=300), preserve_default=False),
        migrations.AlterField("event", "kind", models.CharField(choices=KINDS, max_length=20)),
        migrations.RunPython(refuse_changes, allow_changes),
    ]
