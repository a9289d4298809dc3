"""The database itself refuses to change what is in the log, but that a removed person's events lose their `user`."""

from django.db import migrations

TABLE, NAME, SAYS = "audit_event", "audit_event_append_only", "The audit log is append only."


def refuse_changes(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        fields = apps.get_model("audit", "Event")._meta.local_fields
        same = " AND ".join(f'NEW."{field.column}" IS OLD."{field.column}"' for field in fields if field.name != "user")
        schema_editor.execute(
            f'CREATE TRIGGER {NAME} BEFORE UPDATE ON {TABLE} WHEN NOT (NEW."user_id" IS NULL AND {same}) '
            f"BEGIN SELECT RAISE(ABORT, '{SAYS}'); END"
        )
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.user_id IS NULL AND to_jsonb(NEW) - 'user_id' = to_jsonb(OLD) - 'user_id' THEN RETURN NEW; END IF; "
            f"RAISE EXCEPTION '{SAYS}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        schema_editor.execute(
            f"CREATE TRIGGER {NAME} BEFORE UPDATE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION {NAME}()"
        )


def allow_changes(_apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        schema_editor.execute(f"DROP TRIGGER {NAME}")
    elif schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER {NAME} ON {TABLE}")
        schema_editor.execute(f"DROP FUNCTION {NAME}()")


class Migration(migrations.Migration):

    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunPython(refuse_changes, allow_changes)]
