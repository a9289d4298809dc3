"""The search index in SQLite: an FTS5 table (https://www.sqlite.org/fts5.html).

Its `rowid` is `Conversation.indexed_as`, so that the newest come first without sorting.
"""

from collections.abc import Sequence
from typing import Any

from conversations.search.question import PLACES, Document, Fact, Question
from conversations.search.syntax import Text

# The table in which FTS5 stores what it indexes (https://www.sqlite.org/fts5.html#fts5_data_structures), for rows that
# are looked at one by one: to fetch them through the index takes a third longer.
_COLUMNS = ", ".join(f"c{number} AS {name}" for number, name in enumerate([*PLACES, "facts"]))
CONTENT = f"(SELECT id AS rowid, {_COLUMNS} FROM conversations_words_content) AS own"  # noqa: S608  (names of columns)

_HAS_FACT = "instr(' ' || facts || ' ', %s)"


def rows_of(documents: Sequence[Document]) -> tuple[list[str], list[tuple[Any, ...]]]:
    rows = [(row.rowid, *(row.places[place] for place in PLACES), row.marks) for row in documents]
    return ["rowid", *PLACES, "facts"], rows


def condition(question: Question) -> tuple[str, list[Any]]:
    where = " ".join(place for place in PLACES if not question.places or place in question.places)
    wanted = [f"{{{where}}} : {_text(text)}" for text in question.texts if not text.is_negated]
    wanted += [f"({' OR '.join(_fact(fact) for fact in group)})" for group in question.facts]
    unwanted = [f"{{{where}}} : {_text(text)}" for text in question.texts if text.is_negated]
    unwanted += [_fact(fact) for fact in question.no_facts]
    without = f"({' OR '.join(unwanted)})"
    if not wanted:
        inner = "SELECT rowid FROM conversations_words WHERE conversations_words MATCH %s"
        return f"rowid NOT IN ({inner})", [without]
    expression = " AND ".join(wanted)
    return "conversations_words MATCH %s", [f"({expression}) NOT {without}" if unwanted else expression]


def scan_condition(question: Question) -> tuple[str, list[Any]]:
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


def _text(text: Text) -> str:
    """Return the text in the syntax of FTS5. Words hold no quotation marks."""
    forms = [f'"{" ".join(form)}"{" *" if text.is_prefix else ""}' for form in text.forms]
    return f"({' OR '.join(forms)})" if len(forms) > 1 else forms[0]


def _fact(fact: Fact) -> str:
    return f'facts : "{fact.mark}"'
