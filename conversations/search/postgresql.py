"""The search index in PostgreSQL: a `tsvector` a row under a GIN index.

Its positions end at 16,383 and after 256 of one word (https://www.postgresql.org/docs/15/textsearch-limitations.html),
so phrases in documents longer than that are looked for in their text.
"""

from collections.abc import Sequence
from typing import Any

from conversations.search.question import BREAK, PLACES, Document, Fact, Question
from conversations.search.syntax import Text

_WEIGHTS = dict(zip(PLACES, "ABCD", strict=True))
_LAST_POSITION = 16_382
_MAX_WORD_POSITIONS = 255
# Most bytes of a row's vector: PostgreSQL refuses 1,048,576. A word takes its own, alignment, count, 2 a position.
_MAX_VECTOR_BYTES = 1_000_000
_BYTES_A_WORD, _BYTES_A_POSITION = 3, 2


def rows_of(documents: Sequence[Document]) -> tuple[list[str], list[tuple[Any, ...]]]:
    rows = []
    for row in documents:
        vector, is_long = _vector(row)
        texts = [f" {row.places[place]} " if is_long else "" for place in PLACES]
        rows.append((row.rowid, is_long, *texts, vector))
    return ["rowid", "is_long", *PLACES, "words"], rows


def _vector(document: Document) -> tuple[str, bool]:
    """Return PostgreSQL's notation, 'word':1A,7B; if there is no room for all positions, one for each place."""
    found: dict[str, list[tuple[int, str]]] = {}
    position = 0
    for place in PLACES:
        for word in document.places[place].split():
            position += 1
            if word != BREAK:
                found.setdefault(word, []).append((position, _WEIGHTS[place]))
        position += 1
    marks = sorted(fact.mark for fact in document.facts)
    is_long = position > _LAST_POSITION or any(len(rows) > _MAX_WORD_POSITIONS for rows in found.values())
    if (
        is_long
        or sum(_size(word, places) for word, places in found.items()) + sum(map(_size, marks)) > _MAX_VECTOR_BYTES
    ):
        is_long = True
        # Not adjacent, so that no phrase is found where there is none.
        found = {
            word: [(2 * number + 2, weight) for number, weight in enumerate(sorted({weight for _, weight in places}))]
            for word, places in found.items()
        }
    # Fill the room with facts first, then with words in order, and leave out the rest.
    left = _MAX_VECTOR_BYTES
    lexemes = []
    for word, places in [*((mark, ()) for mark in marks), *found.items()]:
        left -= _size(word, places)
        if left < 0:
            break
        lexemes.append(f"'{word}'" + (f":{','.join(f'{at}{weight}' for at, weight in places)}" if places else ""))
    return " ".join(lexemes), is_long


def _size(word: str, places: Sequence[tuple[int, str]] = ()) -> int:
    return len(word.encode()) + _BYTES_A_WORD + _BYTES_A_POSITION * len(places)


def condition(question: Question) -> tuple[str, list[Any]]:
    weights = "".join(_WEIGHTS[place] for place in PLACES if place in question.places)
    conditions: list[str] = []
    values: list[Any] = []
    # In one expression: with several, PostgreSQL would unpack each row for each of them.
    simple: list[str] = []
    for text in question.texts:
        if all(len(form) == 1 for form in text.forms):
            lexemes = " | ".join(_lexemes(form, text, weights)[0] for form in text.forms)
            simple.append(f"{'!' if text.is_negated else ''}({lexemes})")
            continue
        forms = [_form(form, text, weights, question.places) for form in text.forms]
        condition = " OR ".join(condition for condition, _ in forms)
        conditions.append(f"NOT ({condition})" if text.is_negated else f"({condition})")
        for _, its_values in forms:
            values += its_values
    simple += [f"({' | '.join(_fact(fact) for fact in group)})" for group in question.facts]
    simple += [f"!{_fact(fact)}" for fact in question.no_facts]
    if simple:
        conditions.insert(0, "words @@ %s::tsquery")
        values.insert(0, " & ".join(simple))
    return " AND ".join(conditions), values


def _fact(fact: Fact) -> str:
    return f"'{fact.mark}'"


def _lexemes(form: tuple[str, ...], text: Text, weights: str) -> list[str]:
    ends = [""] * (len(form) - 1) + ["*" if text.is_prefix else ""]
    suffixes = [f":{end}{weights}" if end or weights else "" for end in ends]
    return [f"'{word}'{suffix}" for word, suffix in zip(form, suffixes, strict=True)]


def _form(form: tuple[str, ...], text: Text, weights: str, places: frozenset[str]) -> tuple[str, list[Any]]:
    """Return the condition for a word, or for several beside each other."""
    lexemes = _lexemes(form, text, weights)
    if len(form) == 1:
        return "words @@ %s::tsquery", lexemes
    columns = [place for place in PLACES if not places or place in places]
    like = " OR ".join(f"{column} LIKE %s" for column in columns)
    phrase = " ".join(form)
    pattern = f"% {phrase}%" if text.is_prefix else f"% {phrase} %"
    return (
        f"(words @@ %s::tsquery AND (NOT is_long AND words @@ %s::tsquery OR is_long AND ({like})))",
        [" & ".join(lexemes), " <-> ".join(lexemes), *[pattern] * len(columns)],
    )
