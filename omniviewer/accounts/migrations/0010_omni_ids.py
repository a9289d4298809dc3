"""Remember who people are in Omni when their credentials go."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_provisioning'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='omni_ids',
            field=models.JSONField(db_default=models.Value([], models.JSONField()), default=list, editable=False),
        ),
    ]
