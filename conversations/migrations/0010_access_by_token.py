import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


def _token(related_name):
    return models.ForeignKey(
        null=True, on_delete=django.db.models.deletion.CASCADE, related_name=related_name, to="accounts.apitoken"
    )


class Migration(migrations.Migration):
    """Columns and tables for rights that belong to a token. What they are filled with comes in a step of its own."""

    dependencies = [
        ("accounts", "0004_a_row_a_token"),
        ("conversations", "0009_questions_by_time"),
    ]

    operations = [
        migrations.RemoveIndex(model_name="conversation", name="conversations_behind"),
        migrations.RemoveConstraint(model_name="access", name="one_access_a_credential"),
        migrations.RemoveConstraint(model_name="walk", name="one_walk_a_list"),
        migrations.RemoveConstraint(model_name="member", name="one_member_a_credential"),
        migrations.RemoveConstraint(model_name="capture", name="one_capture_a_job"),
        migrations.AddField("access", "api_token", _token("accesses")),
        migrations.AddField("walk", "api_token", _token("walks")),
        migrations.AddField("member", "api_token", _token("members")),
        migrations.AddField("capture", "api_token", _token("captures")),
        migrations.AddField("walk", "refused", models.PositiveIntegerField(default=0)),
        migrations.AddField("conversation", "indexed_revision", models.PositiveIntegerField(default=0)),
        migrations.AddField("earliermessage", "job_id", models.UUIDField(null=True)),
        migrations.AddField("earliermessage", "omni_chat_url", models.TextField(blank=True, default="")),
        migrations.AddField("earliermessage", "revision", models.PositiveIntegerField(default=0)),
        migrations.AddField("earliermessage", "until_revision", models.PositiveIntegerField(default=0)),
        migrations.AddField("earliermessage", "is_change", models.BooleanField(default=True)),
        migrations.AddField("access", "name", models.TextField(blank=True, default="")),
        migrations.AddField("access", "last_prompt", models.TextField(blank=True, default="")),
        migrations.AddField("access", "owner_id", models.CharField(blank=True, default="", max_length=64)),
        migrations.AddField("access", "updated_at", models.DateTimeField(null=True)),
        migrations.AddField("access", "recency", models.BigIntegerField(default=-1)),
        migrations.AddField("access", "opened_at", models.DateTimeField(null=True)),
        migrations.AddField("access", "refused_at", models.DateTimeField(null=True)),
        migrations.AddField("access", "fetched_at", models.DateTimeField(null=True)),
        migrations.AddField("access", "revision", models.PositiveIntegerField(default=0)),
        migrations.AddField("access", "revision_since", models.DateTimeField(null=True)),
        migrations.AddField("access", "read_of", models.DateTimeField(null=True)),
        migrations.AddField("access", "is_behind", models.BooleanField(default=True)),
        migrations.AddField("access", "not_before", models.DateTimeField(default=django.utils.timezone.now)),
        migrations.AddField("access", "tries", models.PositiveSmallIntegerField(default=0)),
        migrations.AddField("access", "failure", models.CharField(blank=True, default="", max_length=300)),
        migrations.AddField("access", "has_evidence", models.BooleanField(default=False)),
        migrations.CreateModel(
            name="SeenRevision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("revision", models.PositiveIntegerField()),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
                (
                    "access",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="seen", to="conversations.access"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        models.F("access"), models.F("revision"), name="one_seen_revision_an_access"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="JobAccess",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("job_id", models.UUIDField()),
                ("at", models.DateTimeField()),
                ("shown_at", models.DateTimeField(null=True)),
                ("job_refused_at", models.DateTimeField(null=True)),
                ("result_refused_at", models.DateTimeField(null=True)),
                ("not_before", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "api_token",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="job_accesses",
                        to="accounts.apitoken",
                    ),
                ),
                (
                    "conversation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="job_accesses",
                        to="conversations.conversation",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "job accesses",
                "constraints": [
                    models.UniqueConstraint(models.F("api_token"), models.F("job_id"), name="one_job_access_a_token")
                ],
                "indexes": [
                    models.Index(
                        models.F("api_token"),
                        models.F("at"),
                        name="jobs_to_ask_about",
                        condition=models.Q(shown_at=None, job_refused_at=None, result_refused_at=None),
                    )
                ],
            },
        ),
    ]
