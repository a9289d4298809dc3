"""Walking Omni's list: from the top until nothing is new, or through all pages.

Omni orders it by last activity, so a conversation may move to the top while somebody walks: a check that goes down to
the newest activity known before finds whatever moved, and only then is dropped what a full walk did not meet. Every
step is one request, stored with the place where the next one goes on: whoever is killed between two loses nothing.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from conversations import asking, connection
from conversations.archive.outcomes import Ask
from conversations.asking import Urgency
from conversations.models import CHECK_EVERY, Access, Conversation, Walk
from conversations.omni import BadRequest, CannotAsk, replies
from omniviewer.accounts.models import Credential

# Pages in a row that hold nothing new, after which a list is taken for endless. Some do: rows move on between pages.
_MOST_IDLE = 5
_CIRCLES = "Omni’s list goes in a circle: what stands behind it was not seen."
_CUT_OFF = "Omni’s list has more pages, but does not say how to ask for them."
_ENDLESS = "Omni’s list goes on and on without anything new: it was left there."
# Accesses that are taken over from another credential with the same token, at a time.
_AT_A_TIME = 2000
_TOLD_BY_THE_LIST = (
    "checked_at",
    "newest",
    "walked_at",
    "dropped_before",
    "ended_early",
    "total",
    "unreadable_at_top",
    "unreadable_below",
)
_LIST_FIELDS = [
    "name",
    "last_prompt",
    "owner_id",
    "created_at",
    "updated_at",
    "recency",
    "started",
    "is_behind",
    "is_indexed",
]


def walk_of(credential: Credential, member: str = "") -> Walk:
    return Walk.objects.select_related("credential").get_or_create(credential=credential, member=member)[0]


def check(walk: Walk, urgency: Urgency, *, looked_at: datetime, ask: Ask = Ask.IF_STALE) -> Walk:
    """Ask for the top of the list, or for the next page of a check that has not come down to what is known.

    What another credential with the same token is just told is shared, unless `ask` is `ALWAYS`. Raises `OmniError`.
    """
    if ask is not Ask.ALWAYS and not walk.check_cursor and adopt(walk, settings.FRESH_FOR):
        return _renewed(walk)
    # A reader wants the top, wherever the worker is.
    cursor = walk.check_cursor if urgency is Urgency.AHEAD else ""
    try:
        asked_here = _ask_for(walk, cursor, urgency, looked_at, _checked)
    except BadRequest:
        Walk.objects.filter(pk=walk.pk, check_cursor=cursor).update(check_cursor="", check_newest=None)
        raise
    if not asked_here:
        adopt(walk, settings.FRESH_FOR)
    return _renewed(walk)


def go_on(walk: Walk, urgency: Urgency) -> Walk:
    """The next page of a full walk, or the first one of a new walk. Raises `OmniError`."""
    cursor = walk.cursor if walk.began_at else ""
    try:
        _ask_for(walk, cursor, urgency, timezone.now(), _walked)
    except BadRequest:
        # Omni no longer knows the place: from the top again, and what was read of the list stays.
        Walk.objects.filter(pk=walk.pk, cursor=cursor).update(began_at=None, cursor="", passed=[], rows=0)
        raise
    return _renewed(walk)


def _renewed(walk: Walk) -> Walk:
    found = Walk.objects.select_related("credential").filter(pk=walk.pk).first()
    if found is None:
        raise CannotAsk("The token was replaced while Omni was asked. Try again.", outcome="replaced", retry_after=1)
    return found


Step = Callable[[Walk, str, replies.ConversationPage, datetime], None]


def _ask_for(walk: Walk, cursor: str, urgency: Urgency, looked_at: datetime, step: Step) -> bool:
    """Whether it was asked here: else somebody else did at the same time, and `step` was theirs."""
    credential = walk.credential
    token = asking.digest_of(credential)

    def work() -> None:
        asked_at = timezone.now()
        reply = asking.ask(
            credential, "conversations", lambda omni: omni.conversations(cursor=cursor, member=walk.member), urgency
        )
        with transaction.atomic():
            if not connection.is_unchanged(credential):
                return
            fresh = Walk.objects.select_for_update().get(pk=walk.pk)
            fresh.credential, fresh.token = credential, token
            fresh.idle = 0 if _keep(fresh, reply, asked_at) else fresh.idle + 1
            step(fresh, cursor, reply, asked_at)
            fresh.save()

    return asking.once(
        token, credential.instance, "conversations", walk.member, cursor, step.__name__, since=looked_at, work=work
    )


def _keep(walk: Walk, reply: replies.ConversationPage, asked_at: datetime) -> bool:
    """Whether anything on the page was not met before by the full walk under way."""
    credential = walk.credential
    rows = {row.id: row for row in reply.conversations}
    Conversation.objects.bulk_create(
        [Conversation(instance=credential.instance, omni_id=omni_id, recency=-1) for omni_id in rows],
        ignore_conflicts=True,
    )
    # In one order everywhere: two pages that share rows, stored at once, do not wait for each other in a circle.
    of_instance = Conversation.objects.filter(instance=credential.instance, omni_id__in=rows)
    conversations = list(of_instance.select_for_update().order_by("pk"))
    changed = [row for row in conversations if row.learn(rows[row.omni_id], owner_id=_owner(walk))]
    Conversation.objects.bulk_update(changed, _LIST_FIELDS)
    shown = Access.objects.filter(credential=credential, conversation__in=conversations)
    met = shown.filter(listed_at__gte=walk.began_at).count() if walk.began_at else 0
    Access.objects.confirm(credential, conversations, walk.token, asked_at, is_listed=True)
    return met < len(conversations)


def _owner(walk: Walk) -> str:
    """Whose conversations stand in this list, where it is one person's."""
    of_one = walk.credential.scope == Credential.Scope.USER
    return walk.member or (walk.credential.membership_id if of_one else "")


def _checked(walk: Walk, cursor: str, reply: replies.ConversationPage, asked_at: datetime) -> None:
    times = [row.updated_at for row in reply.conversations if row.updated_at]
    following = reply.next_cursor if reply.conversations else None
    if not cursor:
        walk.checked_at, walk.total, walk.unreadable_at_top = asked_at, reply.total, reply.unreadable
        walk.check_newest = max(times, default=walk.newest)
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
    is_endless = bool(following) and walk.idle >= _MOST_IDLE
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
    """Between the rows of the top page there is nothing else: what was listed there before has gone."""
    times = [row.updated_at for row in reply.conversations]
    # An entry that could not be read may be one of them.
    if walk.member or None in times or reply.unreadable:
        return
    gone = Access.objects.filter(credential=walk.credential, listed_at__lt=asked_at)
    is_all = not reply.next_cursor and (reply.total is None or reply.total <= len(times))
    if not is_all:
        gone = gone.filter(conversation__updated_at__gt=min(time for time in times if time)) if times else gone.none()
    gone.exclude(conversation__omni_id__in=[row.id for row in reply.conversations]).end()


def _drop(walk: Walk) -> None:
    """What the last full walk did not meet, nor any check since, Omni lists no longer."""
    listed = Access.objects.filter(credential=walk.credential)
    met = listed.filter(listed_at__gte=walk.drop_before).count()
    if walk.unreadable:
        # Any of these may be one that was not met: what Omni no longer lists runs out by itself.
        walk.ended_early = ""
    elif walk.total is not None and met < walk.total:
        walk.ended_early = f"Omni counts {walk.total:,} conversations and listed {met:,} of them."
    else:
        listed.filter(listed_at__lt=walk.drop_before).end()
        walk.dropped_before, walk.ended_early = walk.drop_before, ""
    walk.drop_before = None


def adopt(walk: Walk, within: timedelta) -> bool:
    """Take what Omni showed so recently to this very token, asked by another credential that holds it."""
    credential = walk.credential
    token = asking.digest_of(credential)
    others = Walk.objects.by_token(token, credential.instance).filter(member=walk.member).exclude(pk=walk.pk)
    theirs = others.first()
    is_newer = theirs and (walk.checked_at is None or (theirs.checked_at and theirs.checked_at > walk.checked_at))
    if not theirs or not theirs.checked_at or theirs.checked_at < timezone.now() - within or not is_newer:
        return False
    with transaction.atomic():
        if not connection.is_unchanged(credential):
            return False
        _copy_accesses(walk, theirs, token)
        walk.token = token
        for name in _TOLD_BY_THE_LIST:
            setattr(walk, name, getattr(theirs, name))
        walk.save()
    return True


def _copy_accesses(walk: Walk, theirs: Walk, token: str) -> None:
    shown = Access.objects.filter(credential=theirs.credential_id, token=token)
    if walk.checked_at and walk.token == token:
        # And a little: what was asked for before that may have been stored after it.
        shown = shown.filter(confirmed_at__gte=walk.checked_at - CHECK_EVERY)
    rows = shown.values_list("conversation_id", "confirmed_at", "listed_at").order_by("pk")
    now, some = timezone.now(), []
    for conversation, confirmed_at, listed_at in rows.iterator(chunk_size=_AT_A_TIME):
        row = Access(credential=walk.credential, conversation_id=conversation, token=token, since=now)
        row.confirmed_at, row.listed_at = confirmed_at, listed_at
        some.append(row)
    Access.objects.bulk_create(
        some,
        batch_size=_AT_A_TIME,
        update_conflicts=True,
        unique_fields=["credential", "conversation"],
        update_fields=["confirmed_at", "listed_at", "token"],
    )
    own = Access.objects.filter(credential=walk.credential)
    own.filter(since=None).exclude(confirmed_at=None).update(since=now)
    if theirs.dropped_before and (walk.dropped_before is None or walk.dropped_before < theirs.dropped_before):
        own.filter(listed_at__lt=theirs.dropped_before).end()
