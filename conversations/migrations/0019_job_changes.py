"""Count the changes of what is known of a conversation's jobs: pages made before show something else."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0018_removal_and_sweep")]

    operations = [
        migrations.AddField("conversation", "job_changes", models.BigIntegerField(default=0)),
    ]
