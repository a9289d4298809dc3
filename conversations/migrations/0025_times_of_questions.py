"""Fill the times of questions and answers, in steps: if it is interrupted, it goes on where it was."""

from django.db import migrations, models

# Rows that one statement goes through, in a transaction of its own.
_ROWS_AT_ONCE = 20_000
# Since then, clocks in every time zone are some quarters of an hour from UTC.
_EVEN_ZONES_SINCE = 1_672_531_200

_SQLITE_SECONDS = "CAST(strftime('%s', substr({0}.created_at, 1, 19)) AS INTEGER)"
_SQLITE_FRACTION = "CAST(substr({0}.created_at || '000000', 21, 6) AS INTEGER)"
# The number of seconds of a column's time, and the microseconds from the question to the answer.
_SQLITE = (
    _SQLITE_SECONDS.format("question"),
    f"({_SQLITE_SECONDS.format('answer')} - {_SQLITE_SECONDS.format('question')}) * 1000000"
    f" + {_SQLITE_FRACTION.format('answer')} - {_SQLITE_FRACTION.format('question')}",
)
_POSTGRESQL = (
    "CAST(floor(extract(epoch FROM question.created_at)) AS bigint)",
    "CAST(round(extract(epoch FROM answer.created_at - question.created_at) * 1000000) AS bigint)",
)
_TIMES = f"""
    UPDATE conversations_message
    SET quarter = CASE
            WHEN timed.seconds >= {_EVEN_ZONES_SINCE} THEN timed.seconds - timed.seconds % 900
            ELSE timed.seconds
        END,
        answer_took = timed.took,
        answered_in = timed.revision
    FROM (
        SELECT question.id AS id, {{seconds}} AS seconds, {{took}} AS took, answer.revision AS revision
        FROM conversations_message AS question
        LEFT JOIN conversations_message AS answer
            ON answer.conversation_id = question.conversation_id
            AND answer.position = question.position + 1
            AND answer.role = 'assistant'
            AND answer.created_at >= question.created_at
        WHERE question.role = 'user' AND question.created_at IS NOT NULL AND question.quarter IS NULL
            AND question.id {{bounds}}
    ) AS timed
    WHERE conversations_message.id = timed.id
"""
_ENDS = """
    UPDATE conversations_conversation
    SET ends_with_question = (
        SELECT message.role = 'user'
        FROM conversations_message AS message
        WHERE message.conversation_id = conversations_conversation.id
        ORDER BY message.position DESC
        LIMIT 1
    )
    WHERE ends_with_question IS NULL AND id {bounds}
"""


def fill(apps, schema_editor):
    """Fill the columns of all questions and conversations that have none, from the messages, by the database."""
    seconds, took = _POSTGRESQL if schema_editor.connection.vendor == "postgresql" else _SQLITE
    for model, statement in (
        ("Message", _TIMES.replace("{seconds}", seconds).replace("{took}", took)),
        ("Conversation", _ENDS),
    ):
        keys = apps.get_model("conversations", model).objects.aggregate(first=models.Min("pk"), last=models.Max("pk"))
        if keys["first"] is None:
            continue
        with schema_editor.connection.cursor() as cursor:
            for first in range(keys["first"], keys["last"] + 1, _ROWS_AT_ONCE):
                bounds = f"BETWEEN {first} AND {first + _ROWS_AT_ONCE - 1}"
                cursor.execute(statement.replace("{bounds}", bounds))


class Migration(migrations.Migration):
    # Each step is committed: nobody waits for all of them.
    atomic = False

    dependencies = [
        ("conversations", "0024_answers_by_job"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
