import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The columns that the token's own row holds now. Last: accesses and walks are taken over before they go."""

    dependencies = [
        ("accounts", "0004_a_row_a_token"),
        ("conversations", "0011_take_over_accesses"),
    ]

    operations = [
        migrations.AlterField(
            model_name="credential",
            name="api_token",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="credentials", to="accounts.apitoken"
            ),
        ),
        migrations.RemoveConstraint(model_name="credential", name="one_default_credential_a_person"),
        *(
            migrations.RemoveField(model_name="credential", name=name)
            for name in (
                "instance",
                "ciphertext",
                "scope",
                "role",
                "membership_id",
                "is_default",
                "checked_at",
                "rejected_at",
                "members_asked_at",
            )
        ),
    ]
