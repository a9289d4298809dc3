"""Facts of a conversation that lists show and count, stored when it is indexed."""

from django.db import models


class ListColumns(models.Model):
    """Facts as of the revision `indexed_revision`. Each depends on what Omni told of this conversation alone.

    Read them by `search.list_facts`, which leaves out what the reader may not know.
    """

    # JSON list of facts, each as a filter of a search query, in order: equal sets are equal texts, so that a database
    # can count them.
    facts = models.TextField(blank=True, default="", db_default="")
    # None if only the list has named the conversation.
    message_count = models.PositiveIntegerField(null=True)
    # Microseconds from the last question to its answer; None unless both have a time.
    last_answer_took = models.BigIntegerField(null=True)

    class Meta:
        abstract = True
