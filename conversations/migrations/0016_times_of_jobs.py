from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("conversations", "0015_outcomes"),
    ]

    operations = [
        migrations.AddField("job", "took", models.DurationField(null=True)),
        migrations.AddField("earliermessage", "seen_at", models.DateTimeField(null=True)),
    ]
