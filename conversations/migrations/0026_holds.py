"""Holds, which stop deletion."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0025_times_of_questions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('instance', models.CharField(max_length=260, verbose_name='Omni instance')),
                ('kind', models.CharField(choices=[('conversation', 'One conversation'), ('person', 'All conversations of a person'), ('ticket', 'All conversations linked from a ticket')], max_length=12, verbose_name='what')),
                ('name', models.CharField(max_length=100)),
                ('reason', models.CharField(max_length=300)),
                ('set_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='since')),
                ('lifted_at', models.DateTimeField(null=True, verbose_name='lifted')),
                ('lifted_because', models.CharField(blank=True, max_length=300, verbose_name='reason for lifting it')),
                ('lifted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('set_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(models.F('instance'), models.F('kind'), models.F('name'), condition=models.Q(('lifted_at', None)), name='one_standing_hold_a_name')],
            },
        ),
    ]
