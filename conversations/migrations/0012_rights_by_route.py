import django.db.models.deletion
from django.db import migrations, models


def _token(related_name):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.CASCADE, related_name=related_name, to="accounts.apitoken"
    )


class Migration(migrations.Migration):

    dependencies = [
        ("conversations", "0011_take_over_accesses"),
    ]

    operations = [
        migrations.AlterField("access", "api_token", _token("accesses")),
        migrations.AlterField("walk", "api_token", _token("walks")),
        migrations.AlterField("member", "api_token", _token("members")),
        migrations.AlterField("capture", "api_token", _token("captures")),
        migrations.RemoveField("access", "credential"),
        migrations.RemoveField("access", "since"),
        migrations.RemoveField("access", "token"),
        migrations.RemoveField("walk", "credential"),
        migrations.RemoveField("walk", "token"),
        migrations.RemoveField("member", "credential"),
        migrations.RemoveField("capture", "credential"),
        migrations.RemoveField("conversation", "read_of"),
        migrations.RemoveField("conversation", "is_behind"),
        migrations.RemoveField("job", "refused_to"),
        migrations.AlterField("access", "name", models.TextField(blank=True)),
        migrations.AlterField("access", "last_prompt", models.TextField(blank=True)),
        migrations.AlterField("access", "owner_id", models.CharField(blank=True, max_length=64)),
        migrations.AlterField("access", "failure", models.CharField(blank=True, max_length=300)),
        migrations.AlterField("earliermessage", "omni_chat_url", models.TextField(blank=True)),
        migrations.DeleteModel("Reading"),
        migrations.AddConstraint(
            "access", models.UniqueConstraint(models.F("api_token"), models.F("conversation"), name="one_access_a_token")
        ),
        migrations.AddConstraint(
            "walk", models.UniqueConstraint(models.F("api_token"), models.F("member"), name="one_walk_a_list")
        ),
        migrations.AddConstraint(
            "member", models.UniqueConstraint(models.F("api_token"), models.F("omni_id"), name="one_member_a_token")
        ),
        migrations.AddConstraint(
            "capture",
            models.UniqueConstraint(models.F("api_token"), models.F("job_id"), name="one_capture_a_token_and_job"),
        ),
        migrations.AddIndex("access", models.Index("api_token", "recency", name="accesses_by_recency")),
        migrations.AddIndex("access", models.Index("api_token", "owner_id", "recency", name="accesses_by_owner")),
        migrations.AddIndex(
            "access",
            models.Index("api_token", "recency", name="accesses_behind", condition=models.Q(("is_behind", True))),
        ),
    ]
