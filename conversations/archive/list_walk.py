"""Walking Omni's list: from the top until nothing is new, or through all pages.

Omni orders its list by last activity, so a conversation may move to the top during a walk. A check down to the newest
activity known before finds everything that moved; only then are rows dropped that a full walk did not meet. Every step
is one request and stores where to continue: a worker that is killed between two loses nothing.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from conversations import upstream
from conversations.archive import credentials, holds
from conversations.models import Access, Conversation, Walk, recency
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken
from omniviewer.omni import BadRequest, CannotAsk, replies
from omniviewer.prepared import Prepared, slot

# Pages in a row with nothing new before the walk ends: some lists never do, as rows move between pages.
_MAX_IDLE_PAGES = 5
_CIRCLES = "Omni’s list repeats itself: the rest of it could not be fetched."
_CUT_OFF = "Omni’s list has more pages, but does not say how to ask for them."
_ENDLESS = "Omni’s list continues without anything new: the sync stopped there."
_LIST_FIELDS = ["name", "last_prompt", "owner_id", "created_at", "updated_at", "recency", "started", "is_indexed"]


_WALK = Prepared(lambda _: Walk.objects.filter(api_token=slot("token"), member=slot("member")))


def walk_of(token: ApiToken, member: str = "") -> Walk:
    """Return the walk of the token's list, or of its list of one member's conversations; made if there is none."""
    walk = _WALK.first(token=token, member=member) or Walk.objects.get_or_create(api_token=token, member=member)[0]
    walk.api_token = token
    return walk


def check(walk: Walk, urgency: Urgency, *, looked_at: datetime) -> Walk:
    """Ask for the top of the list, or for the next page of a check that has not come down to what is known.

    Raises `OmniError`.
    """
    # A waiting reader needs the top, however far the worker is.
    cursor = walk.check_cursor if urgency is Urgency.AHEAD else ""
    try:
        _ask_for(walk, cursor, urgency, looked_at, _checked)
    except BadRequest:
        Walk.objects.filter(pk=walk.pk, check_cursor=cursor).update(check_cursor="", check_newest=None)
        raise
    return _renewed(walk)


def go_on(walk: Walk, urgency: Urgency) -> Walk:
    """Fetch the next page of a full walk, or the first page of a new one. Raises `OmniError`."""
    cursor = walk.cursor if walk.began_at else ""
    try:
        _ask_for(walk, cursor, urgency, timezone.now(), _walked)
    except BadRequest:
        # Omni no longer knows the cursor: start from the top again. Rows that were read stay stored.
        Walk.objects.filter(pk=walk.pk, cursor=cursor).update(began_at=None, cursor="", passed=[], rows=0)
        raise
    return _renewed(walk)


def _renewed(walk: Walk) -> Walk:
    found = Walk.objects.select_related("api_token").filter(pk=walk.pk).first()
    if found is None:
        raise CannotAsk("The token was replaced during the request. Try again.", outcome="replaced", retry_after=1)
    return found


Step = Callable[[Walk, str, replies.ConversationPage, datetime], None]


def _ask_for(walk: Walk, cursor: str, urgency: Urgency, looked_at: datetime, step: Step) -> None:
    """Fetch a page and run `step`, unless this token's same request is under way: then its caller runs `step`."""
    token = walk.api_token

    def store(reply: replies.ConversationPage, asked_at: datetime) -> None:
        with transaction.atomic():
            if not credentials.is_accepted(token):
                return
            fresh = Walk.objects.select_for_update().filter(pk=walk.pk).first()
            if fresh is None:
                return
            fresh.api_token = token
            fresh.idle = 0 if _keep(fresh, reply, asked_at) else fresh.idle + 1
            step(fresh, cursor, reply, asked_at)
            fresh.save()

    upstream.fetch(
        token,
        "conversations",
        walk.member,
        cursor,
        step.__name__,
        call=lambda omni: omni.conversations(cursor=cursor, member=walk.member),
        urgency=urgency,
        store=store,
        since=looked_at,
    )


def _keep(walk: Walk, reply: replies.ConversationPage, asked_at: datetime) -> bool:
    """Store a page; return whether it holds a conversation that the full walk under way has not met before."""
    token = walk.api_token
    rows = {row.id: row for row in reply.conversations}
    Conversation.objects.bulk_create(
        [Conversation(instance=token.instance, omni_id=omni_id, recency=-1) for omni_id in rows],
        ignore_conflicts=True,
    )
    # Lock rows in one order everywhere: two pages that share rows, stored at once, must not deadlock.
    of_instance = Conversation.objects.filter(instance=token.instance, omni_id__in=rows)
    conversations = list(of_instance.select_for_update().order_by("pk"))
    owners = {row.pk: row.owner_id for row in conversations}
    changed = [row for row in conversations if row.learn(rows[row.omni_id], owner_id=_owner(walk))]
    Conversation.objects.bulk_update(changed, _LIST_FIELDS)
    renamed = {(owners[row.pk], row.owner_id) for row in changed if owners[row.pk]}
    holds.follow_people(token.instance, renamed)
    shown = Access.objects.filter(api_token=token, conversation__in=conversations)
    met = shown.filter(listed_at__gte=walk.began_at).count() if walk.began_at else 0
    Access.objects.store_listed(token, rows, conversations, asked_at, owner_id=_owner(walk))
    return met < len(conversations)


def _owner(walk: Walk) -> str:
    """Return the owner of all conversations in this list, if it is one person's list; else ""."""
    of_one = walk.api_token.scope == ApiToken.Scope.USER
    return walk.member or (walk.api_token.membership_id if of_one else "")


def _checked(walk: Walk, cursor: str, reply: replies.ConversationPage, asked_at: datetime) -> None:
    times = [row.updated_at for row in reply.conversations if row.updated_at]
    following = reply.next_cursor if reply.conversations else None
    if not cursor:
        walk.checked_at, walk.total, walk.unreadable_at_top = asked_at, reply.total, reply.unreadable
        walk.check_newest = max(times, default=walk.newest)
        if times and (walk.newest is None or max(times) > walk.newest):
            # A reader's look has found something new while the background rests: it has messages to fetch.
            walk.not_before = min(walk.not_before, asked_at)
        _end_unlisted_above(walk, reply, asked_at)
        if walk.began_at is None and walk.walked_at is None:
            # The very first page: the walk through all of them goes on from here.
            _begin(walk, asked_at)
            _walked(walk, "", reply, asked_at)
    is_down = walk.newest is None or not times or min(times) < walk.newest
    if is_down or not following or following == cursor:
        walk.newest, walk.check_cursor = walk.check_newest, ""
        if not cursor and walk.drop_before:
            _drop(walk)
    else:
        walk.check_cursor = following


def _walked(walk: Walk, cursor: str, reply: replies.ConversationPage, asked_at: datetime) -> None:
    if walk.began_at is None or not cursor:
        _begin(walk, asked_at)
        walk.total = reply.total
        times = [row.updated_at for row in reply.conversations if row.updated_at]
        walk.newest = walk.newest or max(times, default=None)
        walk.checked_at = walk.checked_at or asked_at
        walk.unreadable_at_top, walk.unreadable_below = reply.unreadable, 0
    else:
        walk.unreadable_below += reply.unreadable
    walk.rows += len(reply.conversations)
    passed = [*walk.passed, _short(cursor)]
    following = reply.next_cursor or ""
    circles = bool(following) and _short(following) in passed
    is_endless = bool(following) and walk.idle >= _MAX_IDLE_PAGES
    if following and not circles and not is_endless:
        walk.cursor, walk.passed = following, passed
        return
    walk.ended_early = _CIRCLES if circles else _ENDLESS if is_endless else _CUT_OFF if reply.is_cut_off else ""
    walk.walked_at, walk.began_at = walk.began_at, None
    walk.cursor, walk.passed = "", []
    if not walk.ended_early and not walk.member:
        walk.drop_before = walk.walked_at


def _begin(walk: Walk, asked_at: datetime) -> None:
    walk.began_at, walk.cursor, walk.passed, walk.rows, walk.idle = asked_at, "", [], 0, 0


def _short(cursor: str) -> str:
    return hashlib.sha256(cursor.encode()).hexdigest()[:12]


def _end_unlisted_above(walk: Walk, reply: replies.ConversationPage, asked_at: datetime) -> None:
    """End rows that stood among those of the top page and are missing now: Omni no longer lists them."""
    times = [row.updated_at for row in reply.conversations]
    # An entry that could not be read may be one of the missing rows.
    if walk.member or None in times or reply.unreadable:
        return
    gone = Access.objects.filter(api_token=walk.api_token, listed_at__lt=asked_at)
    is_all = not reply.next_cursor and (reply.total is None or reply.total <= len(times))
    if not is_all:
        lowest = min(time for time in times if time) if times else None
        # Filter by recency too, which is indexed: a token may have a hundred thousand rows.
        gone = gone.filter(updated_at__gt=lowest, recency__gte=recency(lowest)) if lowest else gone.none()
    gone.exclude(conversation__omni_id__in=[row.id for row in reply.conversations]).end_rows()


def _drop(walk: Walk) -> None:
    """End the rows that neither the last full walk nor any check since has met: Omni no longer lists them."""
    listed = Access.objects.filter(api_token=walk.api_token)
    met = listed.filter(listed_at__gte=walk.drop_before).count()
    if walk.unreadable:
        # An unreadable entry may be any of the missing rows: those that are really gone expire by themselves.
        walk.ended_early = ""
    elif walk.total is not None and met < walk.total:
        walk.ended_early = f"Omni counts {walk.total:,} conversations but listed {met:,} of them."
    else:
        listed.filter(listed_at__lt=walk.drop_before).end_rows()
        walk.dropped_before, walk.ended_early = walk.drop_before, ""
    walk.drop_before = None
