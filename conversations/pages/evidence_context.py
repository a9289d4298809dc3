"""Contexts for evidence: the line under each answer, the bundle's page, the charts."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from conversations.archive import capture, evidence, evidence_status
from conversations.archive.evidence import Evidence
from conversations.archive.outcomes import Opened
from conversations.charts import spec
from conversations.models import Action
from conversations.pages.refresh import MAX_LOOKS, look_in
from conversations.tables import paging
from conversations.tables.paging import TablePage
from omniviewer.omni import OmniError


class Step(NamedTuple):
    """An action, the rows of its query, and the time since the action before it, where Omni tells both."""

    action: Action
    shown: TablePage[Action] | None
    since: timedelta | None


def steps(found: Evidence) -> list[Step]:
    """Return the steps of an answer, in order."""
    before: datetime | None = None
    rows = []
    for action in found.actions:
        since = action.at - before if action.at and before and action.at >= before else None
        rows.append(Step(action, paging.page_of(action) if action.is_query else None, since))
        before = action.at or before
    return rows


def answer_statuses(opened: Opened, looks: int = 0) -> dict[str, Any]:
    """Return the context of _answer_status.html, one for each answer, and of _capture_progress.html."""
    summaries = evidence_status.by_position(opened)
    unkept = len(evidence_status.pending(summaries.values()))
    # An answer that is running has a line of its own.
    queued = sum(summary.is_queued for summary in summaries.values())
    return {
        "summaries": summaries,
        "unkept": unkept,
        "queued": queued,
        "minutes_left": capture.estimate_minutes(unkept, opened.token) if unkept else 0,
        "looks": looks,
        "most_looks": MAX_LOOKS,
        "look_in": round(look_in(looks), 1),
    }


def bundle(opened: Opened, looks: int) -> dict[str, Any]:
    """Return the context of export/bundle.html and its part."""
    found = answer_statuses(opened, looks)
    summaries = list(found["summaries"].values())
    kept = [summary for summary in summaries if summary.status.is_captured]
    on_its_way = evidence_status.pending(summaries)
    return {
        **found,
        "conversation": opened.conversation,
        "kept": len(kept),
        "settled": len(summaries) - len(on_its_way),
        "left_out": [row for row in summaries if row not in kept and row not in on_its_way],
    }


def charts(found: Evidence) -> dict[str, Any]:
    """Return the context of _charts.html: whether Omni has a picture, ours, and why Omni could not be asked."""
    failure, omni = None, False
    try:
        omni = evidence.has_chart(found)
    except OmniError as error:
        failure = error
    drawn = [drawing for action in found.queries for drawing in spec.drawings(action)][: spec.MOST_DRAWINGS]
    named = found.queries[0].title if found.queries else ""
    alt = f"Chart of {named}; its numbers stand in the table below."
    return {"omni": omni, "alt": alt, "drawn": drawn, "failure": failure}
