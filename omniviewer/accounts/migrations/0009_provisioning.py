"""People and groups of the company's directory."""

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_announcements'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProvisionedUser',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scim_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('user_name', models.CharField(max_length=254)),
                ('external_id', models.CharField(blank=True, max_length=255)),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('deleted_at', models.DateTimeField(null=True)),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='provisioned', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='ProvisionedGroup',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scim_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('display_name', models.CharField(max_length=255)),
                ('external_id', models.CharField(blank=True, max_length=255)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('members', models.ManyToManyField(related_name='groups', to='accounts.provisioneduser')),
            ],
        ),
        migrations.AddConstraint(
            model_name='provisioneduser',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('user_name'), condition=models.Q(('deleted_at', None)), name='one_provisioned_user_a_name'),
        ),
        migrations.AddConstraint(
            model_name='provisioneduser',
            constraint=models.UniqueConstraint(models.F('external_id'), condition=models.Q(('deleted_at', None), models.Q(('external_id', ''), _negated=True)), name='one_provisioned_user_an_external_id'),
        ),
        migrations.AddConstraint(
            model_name='provisionedgroup',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Lower('display_name'), name='one_provisioned_group_a_name'),
        ),
    ]
