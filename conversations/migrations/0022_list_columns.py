"""Store facts of conversations for lists; each is computed when its conversation is indexed again."""

from django.db import migrations, models


def index_again(apps, _schema_editor):
    """Lists show these facts once the background has indexed a conversation again, the newest first."""
    apps.get_model("conversations", "Conversation").objects.filter(is_indexed=True).update(is_indexed=False)


class Migration(migrations.Migration):

    dependencies = [
        ("conversations", "0021_question_times"),
    ]

    operations = [
        # With a default of the database, so that sites of the earlier version go on writing.
        migrations.AddField("conversation", "facts", models.TextField(blank=True, default="", db_default="")),
        migrations.AddField("conversation", "message_count", models.PositiveIntegerField(null=True)),
        migrations.AddField("conversation", "last_answer_took", models.BigIntegerField(null=True)),
        migrations.RunPython(index_again, migrations.RunPython.noop),
    ]
