"""Name the events of holds, of leaving and of announcements; and let a person who is erased be replaced by a pseudonym.

Choices are no matter of the database. Its trigger still refuses every change but two: a removed person's events lose
their `user`, and a name gives way to `erased-…`, with the address from which that person came.
"""

from django.db import migrations, models

TABLE, NAME, SAYS = "audit_event", "audit_event_append_only", "The audit log is append only."
ERASED = "erased-%"
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
    ("handed-over", "Handed a credential over"),
    ("forgotten", "Deleted a conversation"),
    ("ticket-removed", "Removed a ticket"),
    ("hold-set", "Set a hold"),
    ("hold-lifted", "Lifted a hold"),
    ("announced", "Changed an announcement"),
    ("person-added", "Added a person"),
    ("person-changed", "Changed a person"),
    ("person-offboarded", "Offboarded a person"),
    ("person-told", "Wrote a person’s data to a file"),
    ("person-removed", "Removed a person"),
    ("password-set", "Set a password"),
    ("sessions-ended", "Signed a person out everywhere"),
]
WAYS = [
    ("password", "Password"),
    ("oidc", "OpenID Connect"),
    ("saml", "SAML"),
    ("proxy", "Proxy"),
    ("demo", "Demo"),
    ("scim", "Provisioning (SCIM)"),
    ("command", "By an administrator"),
]


def _same(apps, schema_editor, but):
    fields = apps.get_model("audit", "Event")._meta.local_fields
    is_same = "IS NOT DISTINCT FROM" if schema_editor.connection.vendor == "postgresql" else "IS"
    return " AND ".join(f'NEW."{field.column}" {is_same} OLD."{field.column}"' for field in fields if field.name not in but)


def _refuse_but(schema_editor, allowed):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {NAME}")
        schema_editor.execute(
            f"CREATE TRIGGER {NAME} BEFORE UPDATE ON {TABLE} WHEN NOT ({allowed}) "
            f"BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
        )
    elif schema_editor.connection.vendor == "postgresql":
        # Without parameters, so that no percent sign is one of a parameter's.
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF {allowed} THEN RETURN NEW; END IF; "
                f"RAISE EXCEPTION '{SAYS}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
            )


def allow_pseudonyms(apps, schema_editor):
    is_same = "IS NOT DISTINCT FROM" if schema_editor.connection.vendor == "postgresql" else "IS"
    names = " AND ".join(
        f'(NEW."{name}" = OLD."{name}" OR (NEW."{name}" LIKE \'{ERASED}\' AND OLD."{name}" NOT LIKE \'{ERASED}\'))'
        for name in ("who", "whom")
    )
    _refuse_but(
        schema_editor,
        f'(NEW."user_id" IS NULL OR NEW."user_id" {is_same} OLD."user_id") AND {names} '
        f'AND (NEW."address" {is_same} OLD."address" OR (NEW."address" IS NULL AND NEW."who" <> OLD."who")) '
        f"AND {_same(apps, schema_editor, ('user', 'who', 'whom', 'address'))}",
    )


def refuse_pseudonyms(apps, schema_editor):
    _refuse_but(schema_editor, f"NEW.\"user_id\" IS NULL AND {_same(apps, schema_editor, ('user',))}")


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_forgotten")]

    operations = [
        migrations.AlterField("event", "kind", models.CharField(choices=KINDS, max_length=20)),
        migrations.AlterField("event", "by", models.CharField(blank=True, choices=WAYS, max_length=20)),
        migrations.RunPython(allow_pseudonyms, refuse_pseudonyms),
    ]
