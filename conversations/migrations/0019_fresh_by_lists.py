from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0018_removal_and_sweep'),
    ]

    operations = [
        migrations.AddField(
            model_name='access',
            name='unchanged_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='access',
            name='is_answered',
            field=models.BooleanField(default=False),
        ),
    ]
