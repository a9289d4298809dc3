"""Name two more kinds of events. Choices are no matter of the database: SQLite's table, and its trigger, stay."""

from django.db import migrations, models

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
    ("person-added", "Added a person"),
    ("person-changed", "Changed a person"),
    ("person-removed", "Removed a person"),
    ("password-set", "Set a password"),
    ("sessions-ended", "Signed a person out everywhere"),
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_people_changed")]

    operations = [migrations.AlterField("event", "kind", models.CharField(choices=KINDS, max_length=20))]
