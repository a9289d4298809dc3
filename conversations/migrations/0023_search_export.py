"""Exports of whole searches, read ahead by a worker."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("conversations", "0022_list_columns"),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchExport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("query", models.CharField(blank=True, max_length=1000)),
                ("wanted", models.JSONField(default=list)),
                ("missing", models.JSONField(default=dict)),
                ("is_cut", models.BooleanField(default=False)),
                ("done", models.PositiveIntegerField(default=0)),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(null=True)),
                ("waits_because", models.CharField(blank=True, max_length=300)),
                ("not_before", models.DateTimeField(default=django.utils.timezone.now)),
                ("claimed_until", models.DateTimeField(null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="search_exports",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.F("not_before"),
                        name="exports_to_read",
                        condition=models.Q(("finished_at", None)),
                    )
                ],
            },
        ),
    ]
