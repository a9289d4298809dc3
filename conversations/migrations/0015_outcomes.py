from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("conversations", "0014_what_omni_says"),
    ]

    operations = [
        migrations.AddField("walk", "rate", models.FloatField(default=0)),
        migrations.AddField("walk", "jobs_known", models.PositiveIntegerField(default=0)),
        migrations.AddField("walk", "jobs_due", models.PositiveIntegerField(default=0)),
        migrations.AddIndex("jobaccess", models.Index("api_token", "at", name="job_accesses_by_time")),
    ]
