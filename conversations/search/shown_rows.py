"""Find a reader's accesses that answer a question to the search, by what each lets the reader look at."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from conversations.models import Access, Reader
from conversations.models.access import AccessQuerySet
from conversations.models.reader import Conditions
from conversations.search import documents, index
from conversations.search.question import TICKETS, Question
from conversations.search.rights import EVERYWHERE, IS_CURRENT, OF_EARLIER, OF_ROWS, places_of
from conversations.search.shown_row import Part
from omniviewer.prepared import Prepared

# Weight of a text in each place, for the order by best match.
_WEIGHTS: Final = {"name": 8, "question": 4, "query": 2, "answer": 1}


# The accesses that answer a question, each with its recency and the conversation's start as numbers.
Answers = dict[int, tuple[int, int]]


class _Candidate(NamedTuple):
    """An access as far as it matters to the search. `has_same_name`: the search knows the name that it was told."""

    access: int
    indexed_as: int | None
    recency: int
    started: int
    may_read: bool
    is_current: bool
    has_evidence: bool
    has_same_name: bool
    name: str
    last_prompt: str

    @property
    def is_plain(self) -> bool:
        """Return whether its reader may look at all that the search knows of it, and was told nothing else."""
        is_whole = self.may_read and self.is_current and self.has_evidence
        return bool(is_whole and self.has_same_name and self.indexed_as is not None)

    @property
    def places(self) -> frozenset[str]:
        return places_of(may_read=self.may_read, is_current=self.is_current, has_evidence=self.has_evidence)

    @property
    def has_row_alone(self) -> bool:
        """Return whether its texts are those of the row, and not of the document."""
        return self.places in (OF_ROWS, OF_EARLIER)


def answering(
    reader: Reader, question: Question, rows: AccessQuerySet | None = None, keys: Sequence[int] | None = None
) -> Answers:
    """Return which of these accesses answer the question; without `rows`, of all whose row the reader may see.

    `keys`: of those with these keys in the search, which answer it as far as somebody may look everywhere; whoever may
    not is asked about again.
    """
    if rows is not None and keys is not None:
        rows = rows.filter(conversation__indexed_as__in=keys)
    candidates = _candidates(reader, rows)
    found: list[int] = []
    by_places: dict[frozenset[str], dict[int, int]] = {}
    plain = {row.indexed_as or 0: row.access for row in candidates if row.is_plain}
    if keys is not None and not _has_unwanted(question):
        found += plain.values()
    elif plain:
        by_places[EVERYWHERE] = plain
    for row in candidates:
        if row.is_plain or (row.indexed_as is None and question.facts):
            continue
        if row.has_row_alone and not documents.says({"name": row.name, "question": row.last_prompt}, question):
            continue
        places = row.places if row.has_same_name and not row.has_row_alone else row.places - OF_ROWS
        if row.indexed_as is None:
            # Nothing of it stands in the search: the row alone has answered.
            found += [row.access] if row.has_row_alone else []
        else:
            by_places.setdefault(places, {})[row.indexed_as] = row.access
    for places, own in by_places.items():
        # Without a place to look at: what is asked of texts, the row has answered.
        asked = (question if places - {TICKETS} else replace(question, texts=())).within(places)
        if places == EVERYWHERE and index.is_nearly_all(len(own)):
            found += [own[key] for key in index.matching(asked) if key in own]
        else:
            found += [own[key] for key in index.matching(asked, within=list(own))]
    order = {row.access: (row.recency, row.started) for row in candidates}
    return {access: order[access] for access in found}


def part_of(answers: Answers, of: Part, bound: int | None = None) -> list[int]:
    """Return the accesses of a part of the list that these answers make, behind the bound."""
    place = ("recency", "conversation__started").index(of.column)
    order = {access: numbers[place] for access, numbers in answers.items()}
    if bound is not None:
        order = {access: key for access, key in order.items() if (key < bound if of.is_down else key > bound)}
    return sorted(order, key=order.__getitem__, reverse=of.is_down)[: of.most]


def ranked(reader: Reader, question: Question, rows: AccessQuerySet) -> list[int]:
    """Return these accesses, which answer the question, the best match first, then the newest.

    A text counts most in the name, then in a question, in a query, in an answer; only where its reader may look.
    """
    rank: dict[int, int] = {}
    by_places: dict[frozenset[str], dict[int, int]] = {}
    candidates = _candidates(reader, rows)
    for row in candidates:
        is_own = row.indexed_as is None or not row.has_same_name or row.has_row_alone
        rank[row.access] = _row_rank(row, question) if is_own else 0
        if row.indexed_as is not None:
            places = row.places - OF_ROWS if is_own else row.places
            by_places.setdefault(places, {})[row.indexed_as] = row.access
    for places, own in by_places.items():
        weights = {place: weight for place, weight in _WEIGHTS.items() if place in places}
        for key, value in index.ranks(question, weights, list(own)).items():
            rank[own[key]] += value
    newest = {row.access: row.recency for row in candidates}
    return sorted(rank, key=lambda access: (-rank[access], -newest[access]))


def _row_rank(row: _Candidate, question: Question) -> int:
    """Return the rank by the row's own texts, as its reader's token was told them."""
    texts = [text for text in question.texts if not text.is_negated]
    return sum(
        weight
        for place, said in (("name", row.name), ("question", row.last_prompt))
        if (weight := _WEIGHTS[place]) and (place == "name" or row.has_row_alone)
        for text in texts
        if documents.says({place: said}, replace(question, texts=(text,), facts=(), no_facts=()))
    )


def _candidates(reader: Reader, rows: AccessQuerySet | None) -> list[_Candidate]:
    values = _told(reader, rows.order_by()) if rows is not None else _ALL.raw(reader.slots, **reader.slot_values).values
    return [_Candidate._make(row) for row in values]


def _told(reader: Conditions, rows: AccessQuerySet) -> QuerySet[Access, tuple[Any, ...]]:
    rows = rows.annotate(
        may_read=Access.objects.may_read(reader),
        is_current=ExpressionWrapper(IS_CURRENT, output_field=BooleanField()),
        is_same=ExpressionWrapper(Q(name=F("conversation__name")), output_field=BooleanField()),
    )
    of_row = "pk", "conversation__indexed_as", "recency", "conversation__started"
    return rows.values_list(*of_row, "may_read", "is_current", "has_evidence", "is_same", "name", "last_prompt")


_ALL = Prepared(lambda slots: _told(slots, Access.objects.rows_of(slots).each_once(slots).order_by()))


def _has_unwanted(question: Question) -> bool:
    return bool(question.no_facts) or any(text.is_negated for text in question.texts)
