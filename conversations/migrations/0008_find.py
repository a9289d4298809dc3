import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


_FTS5 = """
    CREATE VIRTUAL TABLE conversations_words
    USING fts5(name, question, answer, query, facts, tokenize = 'ascii', prefix = '2 3')
"""
# A document is found at once: it waits in no list beside the index.
_TSVECTOR = [
    """
    CREATE TABLE conversations_words (
        rowid bigint PRIMARY KEY, is_long boolean NOT NULL, name text NOT NULL, question text NOT NULL,
        answer text NOT NULL, query text NOT NULL, words tsvector NOT NULL
    )
    """,
    "CREATE INDEX conversations_words_found ON conversations_words USING gin (words) WITH (fastupdate = off)",
]


def make_index(_apps, schema_editor):
    is_sqlite = schema_editor.connection.vendor == "sqlite"
    for statement in [_FTS5] if is_sqlite else _TSVECTOR:
        schema_editor.execute(statement)


def drop_index(_apps, schema_editor):
    schema_editor.execute("DROP TABLE conversations_words")


# Seconds since 1970 of a column's time, as the nearest floating-point number.
_SECONDS = {
    "sqlite": (
        "((CAST(strftime('%s', substr({0}, 1, 19)) AS INTEGER) * 1000000"
        " + CAST(substr({0} || '000000', 21, 6) AS INTEGER)) / 1000000.0)"
    ),
    "postgresql": "CAST(extract(epoch FROM {0}) AS double precision)",
}
_WHOLE = {"sqlite": "CAST({0} AS INTEGER)", "postgresql": "CAST(trunc({0}) AS bigint)"}
# The number that orders conversations by a time: milliseconds above 20 bits of the key; below 0 without one.
_NUMBER = """
    CASE
        WHEN {time} IS NULL THEN -1 - id
        WHEN {milliseconds} < 0 THEN id & 1048575
        WHEN {milliseconds} > 8796093022207 THEN (8796093022207 << 20) | (id & 1048575)
        ELSE ({milliseconds} << 20) | (id & 1048575)
    END
"""


def _number(vendor, time):
    milliseconds = _WHOLE[vendor].format(f"{_SECONDS[vendor].format(time)} * 1000")
    return _NUMBER.format(time=time, milliseconds=milliseconds)


def order(_apps, schema_editor):
    """What is kept already takes its place in the new order; the search finds it once it has been at it."""
    vendor = schema_editor.connection.vendor
    schema_editor.execute(
        f"UPDATE conversations_conversation SET recency = {_number(vendor, 'updated_at')},"
        f" started = {_number(vendor, 'created_at')},"
        " read_of = CASE WHEN fetched_at IS NULL THEN NULL ELSE updated_at END, is_behind = (fetched_at IS NULL)",
        params=None,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_signing_in'),
        ('conversations', '0007_capture'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Reading',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('not_before', models.DateTimeField()),
                ('tries', models.PositiveSmallIntegerField(default=0)),
                ('failure', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.CreateModel(
            name='ReadUntil',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Visit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seen', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Walk',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('member', models.CharField(blank=True, max_length=64)),
                ('token', models.CharField(blank=True, max_length=64)),
                ('checked_at', models.DateTimeField(null=True)),
                ('newest', models.DateTimeField(null=True)),
                ('check_cursor', models.TextField(blank=True)),
                ('check_newest', models.DateTimeField(null=True)),
                ('began_at', models.DateTimeField(null=True)),
                ('cursor', models.TextField(blank=True)),
                ('passed', models.JSONField(default=list)),
                ('rows', models.PositiveIntegerField(default=0)),
                ('idle', models.PositiveSmallIntegerField(default=0)),
                ('walked_at', models.DateTimeField(null=True)),
                ('drop_before', models.DateTimeField(null=True)),
                ('dropped_before', models.DateTimeField(null=True)),
                ('ended_early', models.CharField(blank=True, max_length=200)),
                ('total', models.PositiveIntegerField(null=True)),
                ('listed', models.PositiveIntegerField(default=0)),
                ('read', models.PositiveIntegerField(default=0)),
                ('counted_at', models.DateTimeField(null=True)),
                ('paused_at', models.DateTimeField(null=True)),
                ('not_before', models.DateTimeField(default=django.utils.timezone.now)),
                ('leased_until', models.DateTimeField(default=django.utils.timezone.now)),
                ('turn_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('succeeded_at', models.DateTimeField(null=True)),
                ('failure', models.CharField(blank=True, max_length=300)),
                ('failed_at', models.DateTimeField(null=True)),
                ('failures', models.PositiveSmallIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name='access',
            name='listed_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='indexed_as',
            field=models.BigIntegerField(null=True, unique=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='is_behind',
            field=models.BooleanField(default=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='is_indexed',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='conversation',
            name='read_of',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='conversation',
            name='recency',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(models.F('recency'), name='conversations_by_recency'),
        ),
        migrations.AddField(
            model_name='conversation',
            name='started',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(models.F('started'), name='conversations_by_start'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(models.F('recency'), condition=models.Q(('is_behind', True)), name='conversations_behind'),
        ),
        migrations.AddIndex(
            model_name='conversation',
            index=models.Index(models.F('recency'), condition=models.Q(('is_indexed', False)), name='conversations_not_indexed'),
        ),
        migrations.AddField(
            model_name='reading',
            name='conversation',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='reading', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='readuntil',
            name='user',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='visit',
            name='conversation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='visits', to='conversations.conversation'),
        ),
        migrations.AddField(
            model_name='visit',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='visits', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='walk',
            name='credential',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='walks', to='accounts.credential'),
        ),
        migrations.DeleteModel(
            name='ListPage',
        ),
        migrations.AddConstraint(
            model_name='visit',
            constraint=models.UniqueConstraint(models.F('user'), models.F('conversation'), name='one_visit_a_reader'),
        ),
        migrations.AddConstraint(
            model_name='walk',
            constraint=models.UniqueConstraint(models.F('credential'), models.F('member'), name='one_walk_a_list'),
        ),
        migrations.RunPython(make_index, drop_index),
        migrations.RunPython(order, migrations.RunPython.noop),
    ]
