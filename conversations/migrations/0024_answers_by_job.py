"""Look up the jobs of a conversation's answers without reading the answers."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("conversations", "0023_search_export"),
    ]

    operations = [
        migrations.AddIndex(
            "message",
            models.Index(
                "conversation",
                "revision",
                "job_id",
                "created_at",
                name="answers_by_job",
                condition=models.Q(job_id__isnull=False),
            ),
        ),
    ]
