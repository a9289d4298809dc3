"""Find a reader's accesses that answer a question to the search, by what each lets the reader look at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet

from conversations.models import Access, Reader
from conversations.search import documents, index
from conversations.search.question import TICKETS, Question
from conversations.search.rights import EVERYWHERE, IS_CURRENT, OF_EARLIER, OF_ROWS, places_of

# Weight of a text in each place, for the order by best match.
_WEIGHTS: Final = {"name": 8, "question": 4, "query": 2, "answer": 1}


@dataclass(frozen=True)
class _Candidate:
    """An access as far as it matters to the search. `is_renamed`: the search knows other words than it was told."""

    access: int
    indexed_as: int | None
    places: frozenset[str]
    is_renamed: bool
    name: str
    last_prompt: str

    @property
    def has_row_alone(self) -> bool:
        """Return whether its texts are those of the row, and not of the document."""
        return self.places in (OF_ROWS, OF_EARLIER)


def answering(
    reader: Reader, question: Question, rows: QuerySet[Access], keys: Sequence[int] | None = None
) -> list[int]:
    """Return which of these accesses answer the question: of all, or of those with these keys in the search.

    The keys answer it as far as somebody may look everywhere; whoever may not is asked about again.
    """
    if keys is not None:
        rows = rows.filter(conversation__indexed_as__in=keys)
    found: list[int] = []
    by_places: dict[frozenset[str], dict[int, int]] = {}
    for row in _candidates(reader, rows):
        if row.indexed_as is None and question.facts:
            continue
        if row.has_row_alone and not documents.says({"name": row.name, "question": row.last_prompt}, question):
            continue
        places = row.places - OF_ROWS if row.is_renamed or row.has_row_alone else row.places
        if row.indexed_as is None:
            # Nothing of it stands in the search: the row alone has answered.
            found += [row.access] if row.has_row_alone else []
        elif keys is not None and places == EVERYWHERE and not _has_unwanted(question):
            found.append(row.access)
        else:
            by_places.setdefault(places, {})[row.indexed_as] = row.access
    for places, own in by_places.items():
        # Without a place to look at: what is asked of texts, the row has answered.
        asked = (question if places - {TICKETS} else replace(question, texts=())).within(places)
        found += [own[key] for key in index.matching(asked, within=list(own))]
    return found


def ranked(reader: Reader, question: Question, rows: QuerySet[Access]) -> list[int]:
    """Return these accesses, which answer the question, the best match first, then the newest.

    A text counts most in the name, then in a question, in a query, in an answer; only where its reader may look.
    """
    rank: dict[int, int] = {}
    by_places: dict[frozenset[str], dict[int, int]] = {}
    for row in _candidates(reader, rows):
        is_own = row.indexed_as is None or row.is_renamed or row.has_row_alone
        rank[row.access] = _row_rank(row, question) if is_own else 0
        if row.indexed_as is not None:
            places = row.places - OF_ROWS if is_own else row.places
            by_places.setdefault(places, {})[row.indexed_as] = row.access
    for places, own in by_places.items():
        weights = {place: weight for place, weight in _WEIGHTS.items() if place in places}
        for key, value in index.ranks(question, weights, list(own)).items():
            rank[own[key]] += value
    newest = dict(rows.order_by().values_list("pk", "recency"))
    return sorted(rank, key=lambda access: (-rank[access], -newest.get(access, 0)))


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


def _candidates(reader: Reader, rows: QuerySet[Access]) -> Iterator[_Candidate]:
    told = rows.order_by().annotate(
        may_read=Access.objects.may_read(reader),
        is_current=ExpressionWrapper(IS_CURRENT, output_field=BooleanField()),
        is_same=ExpressionWrapper(Q(name=F("conversation__name")), output_field=BooleanField()),
    )
    columns = ("pk", "conversation__indexed_as", "may_read", "is_current", "has_evidence", "is_same")
    for pk, key, may_read, is_current, has_evidence, is_same, name, prompt in told.values_list(
        *columns, "name", "last_prompt"
    ):
        places = places_of(may_read=may_read, is_current=is_current, has_evidence=has_evidence)
        yield _Candidate(pk, key, places, not is_same, name, prompt)


def _has_unwanted(question: Question) -> bool:
    return bool(question.no_facts) or any(text.is_negated for text in question.texts)
