"""The search index in this site's database, and the questions that it answers.

SQLite: an FTS5 table (https://www.sqlite.org/fts5.html) whose `rowid` is `Conversation.indexed_as`, so that the newest
come first without sorting. PostgreSQL: a `tsvector` a row under a GIN index; its positions end at 16,383 and after 256
of one word (https://www.postgresql.org/docs/15/textsearch-limitations.html), so phrases in documents longer than that
are looked for in their text.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from conversations.search.syntax import Text
from conversations.search.tokens import words

# Places of a document: the name from the list; questions and answers from the messages; queries from the evidence.
PLACES = ("name", "question", "answer", "query")
# Not a place of a document: known to all who may read the messages, in an earlier revision too.
TICKETS = "tickets"
_WEIGHTS = dict(zip(PLACES, "ABCD", strict=True))
# Stands between two messages, so that no phrase reaches from one into the other. A letter of no script.
BREAK = "\ue000"
_HAS_FACT = "instr(' ' || facts || ' ', %s)"
_LAST_POSITION = 16_382
_MOST_POSITIONS = 255
# Most bytes of a row's vector: PostgreSQL refuses 1,048,576. A word takes its own, alignment, count, 2 a position.
_MOST_BYTES = 1_000_000
_BYTES_A_WORD, _BYTES_A_POSITION = 3, 2


@dataclass(frozen=True)
class Fact:
    """A property of a whole conversation; `kind` is the name of a filter."""

    kind: str
    value: str

    def is_known_from(self, places: frozenset[str]) -> bool:
        """Return whether the fact may be told to somebody who may look at these places of the document."""
        match self.kind, self.value:
            case "has", "ticket":
                return TICKETS in places
            case "state", "answered" | "unanswered":
                return "answer" in places
            case _:
                return "query" in places

    @property
    def mark(self) -> str:
        """Return a word that no text holds: a digest, since names and topics hold any character."""
        return f"{self.kind}\u00b7{hashlib.sha256(self.value.encode()).hexdigest()[:20]}"

    @classmethod
    def of_topic(cls, topic: str) -> "list[Fact]":
        """Return the facts by which a topic is found: by any of its words, and by all of it after a "="."""
        said = [word.text for word in words(topic)]
        return [cls("topic", f"={' '.join(said)}"), *(cls("topic", word) for word in dict.fromkeys(said))]

    @classmethod
    def asked_of_topic(cls, typed: str) -> "list[Fact]":
        """Return the facts that a typed topic requires; none if it holds no word."""
        whole, *parts = cls.of_topic(typed.removeprefix("="))
        return [whole] if typed.startswith("=") and parts else parts


@dataclass(frozen=True)
class Document:
    rowid: int
    places: dict[str, str]
    facts: frozenset[Fact]

    @property
    def marks(self) -> str:
        return " ".join(sorted(fact.mark for fact in self.facts))


@dataclass(frozen=True)
class Question:
    """A question to the index: all of `texts` in `places` (empty: any), a fact of each group, none of `no_facts`."""

    texts: tuple[Text, ...] = ()
    places: frozenset[str] = frozenset()
    facts: tuple[tuple[Fact, ...], ...] = ()
    no_facts: tuple[Fact, ...] = ()
    # True if nothing can match: then the index is not asked.
    never: bool = field(default=False)

    def __bool__(self) -> bool:
        return bool(self.texts or self.facts or self.no_facts)

    def within(self, places: frozenset[str]) -> "Question":
        """Return the question for documents of which only these places may be looked at.

        Text that can stand in none of them is not found, and counts as absent where it is unwanted. The same holds for
        facts: each is known from a place.
        """
        allowed = (self.places or frozenset(PLACES)) & places
        facts = tuple(tuple(fact for fact in group if fact.is_known_from(places)) for group in self.facts)
        is_impossible = any(not group for group in facts)
        texts = self.texts
        if not allowed:
            is_impossible |= any(not text.is_negated for text in texts)
            texts = ()
        unwanted = tuple(fact for fact in self.no_facts if fact.is_known_from(places))
        return Question(texts, allowed, facts, unwanted, never=self.never or is_impossible)

    @property
    def broadest(self) -> "Question":
        """Return a question that matches all that `within` any places matches: it leaves out the unwanted."""
        return Question(
            tuple(text for text in self.texts if not text.is_negated), self.places, self.facts, (), self.never
        )


@dataclass(frozen=True)
class Bounds:
    """Rowids between which to search; they are not included."""

    above: int | None = None
    below: int | None = None


_UNBOUNDED = Bounds()


def put(documents: Sequence[Document], old: Iterable[int]) -> None:
    """Store documents in place of the rows `old`, in the caller's transaction."""
    remove([*old, *(document.rowid for document in documents)])
    columns, rows = (_fts5_rows if _is_sqlite() else _tsvector_rows)(documents)
    holders = ", ".join("%s::tsvector" if column == "words" else "%s" for column in columns)
    statement = f"INSERT INTO conversations_words ({', '.join(columns)}) VALUES ({holders})"  # noqa: S608  (ours alone)
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)


def remove(rowids: Iterable[int]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM conversations_words WHERE rowid = %s", [(rowid,) for rowid in rowids])


def matching(
    question: Question,
    bounds: Bounds = _UNBOUNDED,
    *,
    within: Sequence[int] | None = None,
    is_newest_first: bool = True,
    most: int | None = None,
) -> list[int]:
    """Return the matching rowids between the bounds, of those `within`, newest activity first.

    With `within` only these rows are looked at: the query time must not reveal how many others match.
    """
    ask = _tsquery if not _is_sqlite() else _fts5 if within is None else _fts5_scan
    condition, values = ask(question) if question else ("1 = 1", [])
    conditions = [condition]
    for sign, bound in ((">", bounds.above), ("<", bounds.below)):
        if bound is not None:
            conditions.append(f"rowid {sign} %s")
            values.append(bound)
    source = "conversations_words"
    if question.never:
        return []
    if within is not None:
        if not within:
            return []
        rows = f"rowid IN ({', '.join(['%s'] * len(within))})"
        if _is_sqlite():
            conditions.insert(0, rows)
        else:
            # Otherwise PostgreSQL might begin with all rows that hold the words, whoever may read them.
            source = f"(SELECT * FROM conversations_words WHERE {rows} OFFSET 0) AS own"  # noqa: S608  (ours alone)
        values = [*within, *values]
    statement = f"SELECT rowid FROM {source} WHERE {' AND '.join(conditions)}"  # noqa: S608  (ours alone)
    statement += f" ORDER BY rowid {'DESC' if is_newest_first else 'ASC'}"
    if most is not None:
        statement += f" LIMIT {most:d}"
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()]


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"


# SQLite ------------------------------------------------------------------------------------------------------


def _fts5_rows(documents: Sequence[Document]) -> tuple[list[str], list[tuple[Any, ...]]]:
    rows = [(row.rowid, *(row.places[place] for place in PLACES), row.marks) for row in documents]
    return ["rowid", *PLACES, "facts"], rows


def _fts5(question: Question) -> tuple[str, list[Any]]:
    where = " ".join(place for place in PLACES if not question.places or place in question.places)
    wanted = [f"{{{where}}} : {_fts5_text(text)}" for text in question.texts if not text.is_negated]
    wanted += [f"({' OR '.join(_fts5_fact(fact) for fact in group)})" for group in question.facts]
    unwanted = [f"{{{where}}} : {_fts5_text(text)}" for text in question.texts if text.is_negated]
    unwanted += [_fts5_fact(fact) for fact in question.no_facts]
    without = f"({' OR '.join(unwanted)})"
    if not wanted:
        inner = "SELECT rowid FROM conversations_words WHERE conversations_words MATCH %s"
        return f"rowid NOT IN ({inner})", [without]
    expression = " AND ".join(wanted)
    return "conversations_words MATCH %s", [f"({expression}) NOT {without}" if unwanted else expression]


def _fts5_scan(question: Question) -> tuple[str, list[Any]]:
    """Return the same condition for rows one by one: FTS5 would begin its search anew for each of them."""
    places = [place for place in PLACES if not question.places or place in question.places]
    conditions: list[str] = []
    values: list[Any] = []
    for text in question.texts:
        inside = " OR ".join([f"instr(' ' || {place} || ' ', %s)" for place in places] * len(text.forms))
        conditions.append(f"{'NOT ' if text.is_negated else ''}({inside})")
        for form in text.forms:
            values += [f" {' '.join(form)}{'' if text.is_prefix else ' '}"] * len(places)
    for group in question.facts:
        conditions.append(f"({' OR '.join([_HAS_FACT] * len(group))})")
        values += [f" {fact.mark} " for fact in group]
    for fact in question.no_facts:
        conditions.append(f"NOT {_HAS_FACT}")
        values.append(f" {fact.mark} ")
    return " AND ".join(conditions), values


def _fts5_text(text: Text) -> str:
    """Return the text in the syntax of FTS5. Words hold no quotation marks."""
    forms = [f'"{" ".join(form)}"{" *" if text.is_prefix else ""}' for form in text.forms]
    return f"({' OR '.join(forms)})" if len(forms) > 1 else forms[0]


def _fts5_fact(fact: Fact) -> str:
    return f'facts : "{fact.mark}"'


# PostgreSQL --------------------------------------------------------------------------------------------------


def _tsvector_rows(documents: Sequence[Document]) -> tuple[list[str], list[tuple[Any, ...]]]:
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
    is_long = position > _LAST_POSITION or any(len(places) > _MOST_POSITIONS for places in found.values())
    if is_long or sum(_size(word, places) for word, places in found.items()) + sum(map(_size, marks)) > _MOST_BYTES:
        is_long = True
        # Not adjacent, so that no phrase is found where there is none.
        found = {
            word: [(2 * number + 2, weight) for number, weight in enumerate(sorted({weight for _, weight in places}))]
            for word, places in found.items()
        }
    # Fill the room with facts first, then with words in order, and leave out the rest.
    left = _MOST_BYTES
    lexemes = []
    for word, places in [*((mark, ()) for mark in marks), *found.items()]:
        left -= _size(word, places)
        if left < 0:
            break
        lexemes.append(f"'{word}'" + (f":{','.join(f'{at}{weight}' for at, weight in places)}" if places else ""))
    return " ".join(lexemes), is_long


def _size(word: str, places: Sequence[tuple[int, str]] = ()) -> int:
    return len(word.encode()) + _BYTES_A_WORD + _BYTES_A_POSITION * len(places)


def _tsquery(question: Question) -> tuple[str, list[Any]]:
    weights = "".join(_WEIGHTS[place] for place in PLACES if place in question.places)
    conditions: list[str] = []
    values: list[Any] = []
    # In one expression: with several, PostgreSQL would unpack each row for each of them.
    simple: list[str] = []
    for text in question.texts:
        if all(len(form) == 1 for form in text.forms):
            lexemes = " | ".join(_ts_lexemes(form, text, weights)[0] for form in text.forms)
            simple.append(f"{'!' if text.is_negated else ''}({lexemes})")
            continue
        forms = [_ts_form(form, text, weights, question.places) for form in text.forms]
        condition = " OR ".join(condition for condition, _ in forms)
        conditions.append(f"NOT ({condition})" if text.is_negated else f"({condition})")
        for _, its_values in forms:
            values += its_values
    simple += [f"({' | '.join(_ts_fact(fact) for fact in group)})" for group in question.facts]
    simple += [f"!{_ts_fact(fact)}" for fact in question.no_facts]
    if simple:
        conditions.insert(0, "words @@ %s::tsquery")
        values.insert(0, " & ".join(simple))
    return " AND ".join(conditions), values


def _ts_fact(fact: Fact) -> str:
    return f"'{fact.mark}'"


def _ts_lexemes(form: tuple[str, ...], text: Text, weights: str) -> list[str]:
    ends = [""] * (len(form) - 1) + ["*" if text.is_prefix else ""]
    suffixes = [f":{end}{weights}" if end or weights else "" for end in ends]
    return [f"'{word}'{suffix}" for word, suffix in zip(form, suffixes, strict=True)]


def _ts_form(form: tuple[str, ...], text: Text, weights: str, places: frozenset[str]) -> tuple[str, list[Any]]:
    """Return the condition for a word, or for several beside each other."""
    lexemes = _ts_lexemes(form, text, weights)
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
