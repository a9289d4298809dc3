"""Contexts for evidence: the line under each answer, the bundle's page, the charts."""

from typing import Any

from conversations.archive import capture, evidence, evidence_status
from conversations.archive.evidence import Evidence
from conversations.archive.evidence_status import Standing
from conversations.archive.outcomes import Opened
from conversations.charts import spec
from conversations.pages.refresh import MAX_LOOKS, look_in
from omniviewer.omni import OmniError


def standings(opened: Opened, looks: int = 0) -> dict[str, Any]:
    """Return the context of _answer_status.html, one for each answer, and of _capture_progress.html."""
    lines = evidence_status.by_position(opened)
    unkept = len(evidence_status.pending(lines.values()))
    return {
        "lines": lines,
        "unkept": unkept,
        "minutes_left": capture.estimate_minutes(unkept, opened.token) if unkept else 0,
        "looks": looks,
        "most_looks": MAX_LOOKS,
        "look_in": round(look_in(looks), 1),
    }


def bundle(opened: Opened, looks: int) -> dict[str, Any]:
    """Return the context of export/bundle.html and its part."""
    found = standings(opened, looks)
    lines = list(found["lines"].values())
    kept = [line for line in lines if line.standing is Standing.KEPT]
    on_its_way = evidence_status.pending(lines)
    return {
        **found,
        "conversation": opened.conversation,
        "kept": len(kept),
        "settled": len(lines) - len(on_its_way),
        "left_out": [line for line in lines if line not in kept and line not in on_its_way],
    }


def charts(found: Evidence) -> dict[str, Any]:
    """Return the context of _charts.html: whether Omni has a picture; else ours, and why Omni could not be asked."""
    failure, omni = None, False
    try:
        omni = evidence.open_chart(found) is not None
    except OmniError as error:
        failure = error
    drawn = (
        [] if omni else [drawing for action in found.queries for drawing in spec.drawings(action)][: spec.MOST_DRAWINGS]
    )
    named = found.queries[0].title if found.queries else ""
    alt = f"Chart of {named}; its numbers stand in the table below."
    return {"omni": omni, "alt": alt, "drawn": drawn, "failure": failure}
