"""The only place that decides between what is kept and asking Omni.

Whatever it returns, Omni has shown to one of the reader's own credentials; whatever it raises says what to do next.
"""

from conversations.archive.capture import capture_next, minutes_for, want, want_expiring
from conversations.archive.evidence import Evidence, NoMessage, chart, evidence, must_ask_for_chart
from conversations.archive.jobs import Place, find, find_job
from conversations.archive.linked import Linked, linked_from
from conversations.archive.lists import list_page, members
from conversations.archive.outcomes import Ask, CannotShow, Listed, Notice, Opened
from conversations.archive.running import Running, renew, running
from conversations.archive.standings import Line, Standing, standings, unkept
from conversations.archive.thread import open_conversation, store

__all__ = [
    "Ask",
    "CannotShow",
    "Evidence",
    "Line",
    "Linked",
    "Listed",
    "NoMessage",
    "Notice",
    "Opened",
    "Place",
    "Running",
    "Standing",
    "capture_next",
    "chart",
    "evidence",
    "find",
    "find_job",
    "linked_from",
    "list_page",
    "members",
    "minutes_for",
    "must_ask_for_chart",
    "open_conversation",
    "renew",
    "running",
    "standings",
    "store",
    "unkept",
    "want",
    "want_expiring",
]
