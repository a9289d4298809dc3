"""Announcements, and those that each person has dismissed."""

import django.core.validators
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_auditors'),
    ]

    operations = [
        migrations.CreateModel(
            name='Announcement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField(max_length=500)),
                ('level', models.CharField(choices=[('info', 'Information, which readers may dismiss'), ('warning', 'Warning, which stays until it ends')], default='info', max_length=10)),
                ('starts_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='from')),
                ('ends_at', models.DateTimeField(blank=True, help_text='Nothing: until it is deleted.', null=True, verbose_name='until')),
                ('link', models.CharField(blank=True, help_text='Begins with https://.', max_length=500, validators=[django.core.validators.URLValidator(schemes=['https'])])),
                ('is_public', models.BooleanField(default=False, help_text='Show it to everybody who opens the page to sign in.', verbose_name='before signing in too')),
            ],
        ),
        migrations.AddField(
            model_name='user',
            name='dismissed',
            field=models.JSONField(db_default=models.Value([], models.JSONField()), default=list, editable=False),
        ),
    ]
