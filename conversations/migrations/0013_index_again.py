import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


def index_again(apps, _schema_editor):
    """Words are cut otherwise: what is indexed is found as before until it is indexed again, the newest first."""
    apps.get_model("conversations", "Conversation").objects.filter(is_indexed=True).update(is_indexed=False)


class Migration(migrations.Migration):

    dependencies = [
        ('conversations', '0012_rights_by_route'),
    ]

    operations = [
        migrations.CreateModel(
            name='IndexFailure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tries', models.PositiveIntegerField(default=0)),
                ('not_before', models.DateTimeField()),
                ('failed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('reason', models.CharField(blank=True, max_length=200)),
                ('conversation', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='index_failure', to='conversations.conversation')),
            ],
        ),
        migrations.RunPython(index_again, migrations.RunPython.noop),
    ]
