"""Store when a list reply last named a conversation unchanged, and whether its thread ended with an answer."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0019_job_changes")]

    operations = [
        migrations.AddField("access", "unchanged_at", models.DateTimeField(null=True)),
        migrations.AddField("access", "is_answered", models.BooleanField(default=False)),
    ]
