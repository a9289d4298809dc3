import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0002_signing_in"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("instance", models.CharField(max_length=260)),
                ("digest", models.CharField(max_length=64)),
                ("ciphertext", models.TextField()),
                (
                    "scope",
                    models.CharField(
                        blank=True,
                        choices=[("organization", "Organization key"), ("user", "Personal token"), ("", "Token")],
                        default="",
                        max_length=12,
                    ),
                ),
                ("role", models.CharField(blank=True, max_length=40)),
                ("membership_id", models.CharField(blank=True, max_length=64)),
                ("omni_user_id", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("checked_at", models.DateTimeField(null=True)),
                ("rejected_at", models.DateTimeField(blank=True, null=True)),
                ("rights_since", models.DateTimeField(null=True)),
                ("members_asked_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "API token",
                "constraints": [
                    models.UniqueConstraint(models.F("instance"), models.F("digest"), name="one_row_a_token")
                ],
            },
        ),
        migrations.AddField(
            model_name="credential",
            name="api_token",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credentials",
                to="accounts.apitoken",
            ),
        ),
        migrations.AddField(
            model_name="credential",
            name="order",
            field=models.PositiveIntegerField(default=0),
        ),
    ]
