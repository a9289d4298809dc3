"""Holds on people, as Omni tells further ids of the same person."""

from collections.abc import Iterable

from conversations.models import Hold
from omniviewer.audit import trail
from omniviewer.audit.models import Kind


def follow_people(instance: str, people: Iterable[Iterable[str]]) -> None:
    """Hold people by all of their ids where one of these is held. In the transaction that stores the other id."""
    for hold in Hold.objects.all().follow_people(instance, people):
        about = f"hold {hold.pk}, another id of a person on hold"
        trail.record(None, Kind.HOLD_SET, instance=hold.instance, whom=hold.name, fields=about)
