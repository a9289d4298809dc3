"""Columns for the times of questions and answers as numbers, and whether a conversation ends with a question.

They are filled by a later migration, in steps, while the tables can be read and written.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0020_fresh_by_lists"),
    ]

    operations = [
        migrations.AddField(model_name="message", name="quarter", field=models.BigIntegerField(null=True)),
        migrations.AddField(model_name="message", name="answer_took", field=models.BigIntegerField(null=True)),
        migrations.AddField(model_name="message", name="answered_in", field=models.PositiveIntegerField(null=True)),
        migrations.AddField(
            model_name="conversation", name="ends_with_question", field=models.BooleanField(null=True)
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                *map(models.F, ("quarter", "conversation", "revision", "answered_in", "answer_took")),
                name="questions_counted",
                condition=models.Q(quarter__isnull=False),
            ),
        ),
    ]
