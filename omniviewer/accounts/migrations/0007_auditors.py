from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_session_digests")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="is_auditor",
            field=models.BooleanField(
                default=False, help_text="May read the audit log and what is stored.", verbose_name="auditor"
            ),
        ),
    ]
