"""What is searched: a document a conversation, kept by the database's own full text search.

The words are made here (`conversations.words`), so SQLite's FTS5 and PostgreSQL find the same for the same question.
"""

from conversations.searching.documents import forget, refresh, says
from conversations.searching.index import PLACES, TICKETS, Bounds, Fact, Question, matching

__all__ = ["PLACES", "TICKETS", "Bounds", "Fact", "Question", "forget", "matching", "refresh", "says"]
