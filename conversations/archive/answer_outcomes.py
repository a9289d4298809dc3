"""Outcomes and topics of the answers in a reader's conversations, as far as the reader may know their jobs."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Concat
from django.utils import timezone

from conversations.archive.questions_asked import Written
from conversations.models import OMNI_KEEPS, Access, Job, JobAccess, Message, Outcome, Owner, Reader
from conversations.models.keys import Keys
from conversations.search import list_facts
from conversations.search.rights import IS_CURRENT
from conversations.search.tokens import words

# States of a conversation that are counted, as `state:` names them. One in several states counts in the first of these
# where it may count once only.
STATES = (Outcome.FAILED, Outcome.UNANSWERED, Outcome.CANCELLED, Outcome.RUNNING)
# Owner of the conversations whose owner neither a list nor a thread has named.
NOBODY = Owner("", "")
# First character of what a job says: the outcome, another than is counted, and none that is known.
_MARKS = {"f": Outcome.FAILED, "c": Outcome.CANCELLED, "r": Outcome.RUNNING}
_OTHER_OUTCOME, _NO_OUTCOME = "o", "-"


class Topic(NamedTuple):
    """A topic in the spelling of most conversations, and all conversations that have it."""

    name: str
    conversations: frozenset[int]


@dataclass(frozen=True)
class Threads:
    """Conversations by the keys of their accesses: whose each is; those that end with a question, or are complete."""

    owners: Mapping[int, Owner]
    unanswered: frozenset[int]
    complete: frozenset[int]


def threads(keys: Collection[int], reader: Reader) -> Threads:
    """Return owners and states, as `state:unanswered` and `state:complete` find them.

    The former end with a question; of the latter, the search knows that the last answer's job is complete.
    """
    instances = {token.pk: token.instance for token in reader.tokens}
    is_lagging = Case(When(revision__lt=F("conversation__revision"), then=True), default=False)
    is_complete = Case(
        When(
            IS_CURRENT,
            has_evidence=True,
            conversation__facts__contains=list_facts.written(list_facts.COMPLETE),
            then=True,
        ),
        default=False,
    )
    owners: dict[int, Owner] = {}
    unanswered, complete = set[int](), set[int]()
    lagging: list[int] = []
    groups = (
        Access.objects.filter(pk__in=Keys(keys))
        .order_by()
        .values("api_token_id", "owner_id", "conversation__ends_with_question", lags=is_lagging, ended=is_complete)
        .annotate(keys=Written("pk"))
    )
    for token_key, owner_id, is_open, lags, ended, written in groups.values_list(
        "api_token_id", "owner_id", "conversation__ends_with_question", "lags", "ended", "keys"
    ):
        own = list(map(int, written.split(",")))
        complete.update(own if ended else ())
        owners.update(dict.fromkeys(own, Owner(instances[token_key], owner_id) if owner_id else NOBODY))
        if lags:
            lagging += own
        elif is_open:
            unanswered.update(own)
    return Threads(owners, frozenset(unanswered | _unanswered(lagging)), frozenset(complete))


def _unanswered(keys: Collection[int]) -> set[int]:
    """Return those of these accesses, to earlier revisions of a thread, that were shown a question at its end."""
    shown = Message.objects.shown_through_outer_access()
    rows = Access.objects.filter(pk__in=Keys(keys)) if keys else Access.objects.none()
    ending = rows.annotate(last_role=Subquery(shown.order_by("-position").values("role")[:1]))
    return set(ending.filter(last_role=Message.Role.USER).order_by().values_list("pk", flat=True))


class Answers:
    """Answers that a job made, by conversation: those whose outcome is known, and the others; and what the jobs say."""

    def __init__(self) -> None:
        self.known: Counter[int] = Counter()
        self.unknown: Counter[int] = Counter()
        self._by_topic: dict[str, set[int]] = defaultdict(set)
        self._by_state: dict[Outcome, set[int]] = {state: set() for state in _MARKS.values()}

    def add(self, told: str | None, keys: Iterable[int]) -> None:
        """Add answers by the keys of their conversations; `told`: what their jobs say, None if that is not seen."""
        mark, topic = (told[0], told[1:]) if told else (_NO_OUTCOME, "")
        (self.unknown if mark == _NO_OUTCOME else self.known).update(keys)
        if mark in _MARKS:
            self._by_state[_MARKS[mark]].update(keys)
        if topic:
            self._by_topic[topic].update(keys)

    def topics(self) -> dict[str, Topic]:
        """Return the topics by the value that `topic:` takes."""
        spellings: dict[str, dict[str, set[int]]] = defaultdict(dict)
        for topic, keys in self._by_topic.items():
            spellings[" ".join(word.text for word in words(topic))][topic] = keys
        spellings.pop("", None)
        return {
            key: Topic(
                max(sorted(found), key=lambda topic: len(found[topic])), frozenset(set[int]().union(*found.values()))
            )
            for key, found in spellings.items()
        }

    def states(self, unanswered: frozenset[int]) -> dict[str, frozenset[int]]:
        by_state = {Outcome.UNANSWERED: unanswered, **{state: frozenset(own) for state, own in self._by_state.items()}}
        return {state.value: by_state[state] for state in STATES}


class Told(NamedTuple):
    """Answers with the same outcome and topic, by the keys of their conversations; see `Answers.add`."""

    said: str | None
    keys: list[int]


def read(keys: Collection[int], reader: Reader) -> list[Told]:
    """Return what the jobs say of all answers in these accesses' conversations."""
    accesses = Access.objects.filter(
        pk__in=Keys(keys),
        conversation__messages__revision__lte=F("revision"),
        conversation__messages__job_id__isnull=False,
    )
    told = accesses.annotate(told=Case(When(_may_see_job(reader), then=Subquery(_job_told()))))
    groups = told.order_by().values("told").annotate(keys=Written("pk")).values_list("told", "keys")
    return [Told(said, list(map(int, written.split(",")))) for said, written in groups]


def answers(told: Iterable[Told], within: Collection[int] | None = None) -> Answers:
    """Return the answers, of these conversations or of all."""
    found = Answers()
    for said, keys in told:
        own = keys if within is None else [key for key in keys if key in within]
        if own:
            found.add(said, own)
    return found


def _may_see_job(reader: Reader) -> Q:
    """Return the condition, on an access joined with a message, that the reader may see the job of that answer."""
    told = JobAccess.objects.filter(
        api_token__in=reader.token_keys,
        conversation=OuterRef("conversation"),
        job_id=OuterRef("conversation__messages__job_id"),
    )
    is_old = Q(conversation__messages__created_at__lte=timezone.now() - OMNI_KEEPS)
    return is_old & ~Exists(told.refused()) | Q(Exists(told.visible_to(reader)))


def _job_told() -> QuerySet[Job, str]:
    """Return a mark for the outcome of an answer's job, and the topic, as one text.

    Without the jobs that belong to another conversation: this one gives no right to them.
    """
    own = Job.objects.of_conversation(OuterRef("conversation__instance"), OuterRef("conversation__omni_id"))
    mark = Case(
        *(When(state__in=outcome.job_states, then=Value(mark)) for mark, outcome in _MARKS.items()),
        When(state="", kept_at=None, then=Value(_NO_OUTCOME)),
        default=Value(_OTHER_OUTCOME),
    )
    told = own.filter(omni_id=OuterRef("conversation__messages__job_id")).annotate(told=Concat(mark, "topic"))
    return told.values_list("told", flat=True)[:1]
