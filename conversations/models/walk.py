"""Progress of walking Omni's list with an API token."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from conversations.models.freshness import is_fresh, share_of_rest
from conversations.models.people import PeopleWalk
from omniviewer.accounts.models import ApiToken

# Interval of checks for new conversations that nobody asks for; and the longest, of a list that has long not changed.
CHECK_EVERY = timedelta(minutes=5)
_LONGEST_REST = timedelta(minutes=30)
# A wait as short may be one for the token's budget.
_BUDGET_WAIT = timedelta(seconds=61)
# Longest time for which a list is fresh: new conversations appear in it.
_LONGEST_FRESH = 2 * CHECK_EVERY


def walk_every() -> timedelta:
    """Return the interval of full walks: shorter than the life of the accesses that they confirm."""
    return settings.ACCESS_TTL * 0.8


def _check_is_late() -> models.Q:
    return models.Q(checked_at=None) | models.Q(checked_at__lte=timezone.now() - CHECK_EVERY)


class WalkQuerySet(models.QuerySet["Walk"]):
    def of_everything(self) -> Self:
        return self.filter(member="")

    def to_do(self) -> Self:
        """Return the walks of accepted tokens of active people, unless they were paused."""
        return self.of_everything().filter(api_token__in=ApiToken.objects.at_work(), paused_at=None)

    def due(self) -> Self:
        """Return the walks that are due and held by no worker."""
        now = timezone.now()
        return self.to_do().filter(not_before__lte=now, leased_until__lte=now)

    def late(self) -> Self:
        """Return the due walks that were not checked for new conversations in time."""
        return self.due().filter(_check_is_late())

    def claim(self, length: timedelta) -> "Walk | None":
        """Claim the walk that has waited longest, for so long; None if none is due.

        Late walks come first: one token's backlog, which may take days, must not keep another's list old.
        """
        turn = models.Case(models.When(_check_is_late(), then=0), default=1)
        while True:
            walk = self.due().for_turn().order_by(turn, "turn_at", "pk").first()
            if walk is None:
                return None
            now = timezone.now()
            seen, walk.leased_until, walk.turn_at = walk.leased_until, now + length, now
            mine = self.filter(pk=walk.pk, leased_until=seen)
            if mine.update(leased_until=walk.leased_until, turn_at=now):
                return walk

    def for_turn(self) -> Self:
        """Add the token, and whether the names of people have begun to be fetched with it."""
        begun = PeopleWalk.objects.filter(api_token=models.OuterRef("api_token"))
        return self.select_related("api_token").annotate(has_people=models.Exists(begun))

    def going_on(self, walk: "Walk") -> "Walk | None":
        """Return the walk as it is now; None if its turn must end: it was paused, or another list is late."""
        same = self.filter(pk=walk.pk, paused_at=None).exclude(models.Exists(Walk.objects.late()))
        return same.for_turn().first()

    def look_soon(self, walks: Collection["Walk"]) -> datetime | None:
        """Have the background look at these lists `CHECK_EVERY` after the last look, since a reader of theirs is here.

        Return when it does so first; None if it would have anyway, or waits after a failure.
        """
        first, now = None, timezone.now()
        for walk in walks:
            at = max(walk.checked_at + CHECK_EVERY, now) if walk.checked_at else now
            if walk.member or walk.failures or walk.not_before <= at + _BUDGET_WAIT:
                continue
            # Unless it waits for something else by now.
            if self.filter(pk=walk.pk, not_before=walk.not_before).update(not_before=at):
                first = min(first or at, at)
        return first

    def overdue_since_by_instance(self) -> dict[str, datetime]:
        """Return since when the walk that has waited longest has been due, for each instance with one that is."""
        moment = models.functions.Greatest("not_before", "leased_until")
        return dict(self.due().order_by().values_list("api_token__instance").annotate(at=models.Min(moment)))

    def next_at(self) -> datetime | None:
        """Return when the next walk is due; None if there is none."""
        moment = models.functions.Greatest("not_before", "leased_until")
        moments: dict[str, datetime | None] = self.to_do().aggregate(at=models.Min(moment))
        return moments["at"]


class Walk(models.Model):
    """Omni's list as one token is shown it, newest activity first.

    A *check* goes down from the top until nothing is new. A *full walk* goes through all pages, and drops the rows that
    none of them lists any longer. `member` is a membership id by which the list is filtered, or "".
    """

    api_token = models.ForeignKey(ApiToken, models.CASCADE, related_name="walks")
    member = models.CharField(max_length=64, blank=True)

    # When the top of the list was last fetched; and the newest activity (Omni's time) up to which all is known.
    checked_at = models.DateTimeField(null=True)
    newest = models.DateTimeField(null=True)
    # A check that needs more pages: its cursor, and the newest activity that it began with.
    check_cursor = models.TextField(blank=True)
    check_newest = models.DateTimeField(null=True)

    # The full walk under way: its start, its cursor, and digests of the cursors that it passed.
    began_at = models.DateTimeField(null=True)
    cursor = models.TextField(blank=True)
    passed = models.JSONField(default=list)
    # Rows met so far; and pages in a row on which nothing was new.
    rows = models.PositiveIntegerField(default=0)
    idle = models.PositiveSmallIntegerField(default=0)
    # Start of the last full walk that saw all pages; rows not listed since are to be dropped; or have been.
    walked_at = models.DateTimeField(null=True)
    drop_before = models.DateTimeField(null=True)
    dropped_before = models.DateTimeField(null=True)
    # Entries that could not be read: on the list's first page, and on the others.
    unreadable_at_top = models.PositiveIntegerField(default=0)
    unreadable_below = models.PositiveIntegerField(default=0)
    # Sentence that says why the last full walk did not see all.
    ended_early = models.CharField(max_length=200, blank=True)

    # Number of conversations by Omni's count; of those shown to the token; and of these, read and refused.
    total = models.PositiveIntegerField(null=True)
    listed = models.PositiveIntegerField(default=0)
    read = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)
    # Threads read in a minute, between the last two counts.
    rate = models.FloatField(default=0)

    paused_at = models.DateTimeField(null=True)
    not_before = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(default=timezone.now)
    turn_at = models.DateTimeField(default=timezone.now)
    succeeded_at = models.DateTimeField(null=True)
    # The last failure, in a sentence for the reader; and the number in a row, 0 once it works again.
    failure = models.CharField(max_length=300, blank=True)
    failed_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)

    # Annotated by for_turn().
    has_people: bool

    objects = WalkQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint("api_token", "member", name="one_walk_a_list")]

    def __str__(self) -> str:
        return f"walk for token {self.api_token_id}"

    @property
    def is_fresh(self) -> bool:
        """Return whether the list is shown without asking Omni: for a tenth of the time since it last changed."""
        changed_at = max((at for at in (self.newest, self.check_newest) if at), default=None)
        return is_fresh(self.checked_at, changed_at, longest=_LONGEST_FRESH)

    @property
    def is_known(self) -> bool:
        """Return whether the top was seen recently enough to be shown without asking Omni."""
        return self.checked_at is not None and self.checked_at > timezone.now() - settings.ACCESS_TTL

    @property
    def has_seen_all(self) -> bool:
        return self.walked_at is not None

    @property
    def unreadable(self) -> int:
        return self.unreadable_at_top + self.unreadable_below

    @property
    def check_is_due(self) -> bool:
        return bool(self.check_cursor) or self.checked_at is None or self.checked_at <= timezone.now() - CHECK_EVERY

    @property
    def next_look(self) -> datetime:
        """Return when the background looks at the list again, if nobody asks for it before.

        After a tenth of the time for which nothing has changed in it, within limits; and in time for the full walk.
        """
        now = timezone.now()
        checked_at = min(self.checked_at or now, now)
        changed_at = self.newest or self.api_token.created_at
        rest = share_of_rest(checked_at, changed_at, shortest=CHECK_EVERY, longest=_LONGEST_REST)
        next_walk = (self.walked_at or now) + walk_every()
        return max(min(checked_at + rest, next_walk), checked_at + CHECK_EVERY)

    @property
    def walk_is_due(self) -> bool:
        return self.walked_at is None or self.walked_at <= timezone.now() - walk_every()
