"""The archive: the only place that decides between stored data and asking Omni.

Whatever it returns, Omni has shown to one of the reader's own tokens; whatever it raises says what to do next.
"""

from conversations.archive.capture import capture_next, minutes_for, want, want_chosen, want_expiring
from conversations.archive.coverage import Coverage, coverage, outcomes
from conversations.archive.evidence import Evidence, NoMessage, chart, evidence, must_ask_for_chart
from conversations.archive.evidence_status import Jobs, Line, Standing, standings, unkept
from conversations.archive.hand_over import NotProven, may_be_offered, offer, prove, take_over
from conversations.archive.insights import STATES, Insights, Share, Span, insights
from conversations.archive.jobs import Place, find, find_job
from conversations.archive.lists import Listed, finder, listed
from conversations.archive.live_answer import Running, renew, running
from conversations.archive.outcomes import Ask, CannotShow, Notice, Opened
from conversations.archive.people import MOST_MEMBERS, members, names, owner_name
from conversations.archive.removal import Loss, forget, loss_with, remove_next
from conversations.archive.retention import Sweep, Swept
from conversations.archive.sync import Progress, begin_walks, count, pause, progress, sync_next
from conversations.archive.threads import fetch, open_conversation, still_open, store
from conversations.archive.ticket_links import Linked, linked_from
from conversations.search.finder import MOST_COUNTED, ORDERS, Finder, Page, Stretch
from conversations.search.hits import Hits, hits
from conversations.search.narrowing import has_unread, unread
from conversations.search.shown_rows import shown_rows

__all__ = [
    "MOST_COUNTED",
    "MOST_MEMBERS",
    "ORDERS",
    "STATES",
    "Ask",
    "CannotShow",
    "Coverage",
    "Evidence",
    "Finder",
    "Hits",
    "Insights",
    "Jobs",
    "Line",
    "Linked",
    "Listed",
    "Loss",
    "NoMessage",
    "NotProven",
    "Notice",
    "Opened",
    "Page",
    "Place",
    "Progress",
    "Running",
    "Share",
    "Span",
    "Standing",
    "Stretch",
    "Sweep",
    "Swept",
    "begin_walks",
    "capture_next",
    "chart",
    "count",
    "coverage",
    "evidence",
    "fetch",
    "find",
    "find_job",
    "finder",
    "forget",
    "has_unread",
    "hits",
    "insights",
    "linked_from",
    "listed",
    "loss_with",
    "may_be_offered",
    "members",
    "minutes_for",
    "must_ask_for_chart",
    "names",
    "offer",
    "open_conversation",
    "outcomes",
    "owner_name",
    "pause",
    "progress",
    "prove",
    "remove_next",
    "renew",
    "running",
    "shown_rows",
    "standings",
    "still_open",
    "store",
    "sync_next",
    "take_over",
    "unkept",
    "unread",
    "want",
    "want_chosen",
    "want_expiring",
]
