"""A search query as a sentence of a page says it: filters and days in words instead of the syntax."""

from conversations.search import date_words
from conversations.search.syntax import SPANS, Asked, Filter

_LABELS = {"owner": "asked by"}
# Places to search in, as people call them.
PLACE_NAMES = {"question": "questions", "answer": "answers", "query": "queries", "name": "titles"}


def chip(row: Filter) -> tuple[str, str]:
    """Return a filter as its chip says it, and the days that it means, if it is about days: "Asked", "3 May 2026"."""
    negation = "not " if row.is_negated else ""
    if row.name == "in" and row.value in PLACE_NAMES:
        return f"{negation or 'only '}in {PLACE_NAMES[row.value]}".capitalize(), ""
    if row.name not in SPANS:
        label = f"{negation}{_LABELS.get(row.name, row.name)}"
        return f"{label.capitalize()}: {row.value.removeprefix('=')}", ""
    span = date_words.written(row.value, row.name)
    if not span:
        return f"{negation}{row.name}: {row.value}".capitalize(), ""
    label = f"{negation}{'asked' if row.name == 'asked' else 'active'}".capitalize()
    named = f"{' '.join(row.value.split())}: " if row.name in ("on", "asked") and date_words.is_name(row.value) else ""
    return label, f"{named}{span}"


def sentence(asked: Asked) -> str:
    """Return the query in words: “supplier”, asked by Ana Lindqvist."""
    words = " ".join(asked.plain.replace('"', " ").split())
    return ", ".join([*([f"“{words}”"] if words else []), *map(_clause, asked.filters)])


def beginnings(asked: Asked) -> str:
    """Return the words that are searched for as prefixes: “bavar” and “lead”."""
    begun = [f"“{' '.join(text.words)}”" for text in asked.wanted if text.is_prefix]
    return f"{', '.join(begun[:-1])} and {begun[-1]}" if len(begun) > 1 else "".join(begun)


def _clause(row: Filter) -> str:
    value = row.value.removeprefix("=")
    if row.name == "is":
        return f"{'not ' if row.is_negated else ''}{value}"
    if row.name == "has":
        return f"{'without' if row.is_negated else 'with'} {value}"
    text, span = chip(row)
    # Names and values keep their capitals.
    text = f"{text[:1].lower()}{text[1:]}"
    return f"{text} {span}".strip() if row.name in SPANS else text.replace(": ", " ", 1)
