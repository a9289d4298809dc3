"""Syntax of the search box: words, "phrases", -not, prefixes by *, and filters such as `state:failed`.

Every text is accepted: `Asked.odd` says what was not understood, and nothing raises.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from conversations.models.answer_status import Outcome
from conversations.search import date_words, word_forms
from conversations.search.date_words import SEVERAL_WORDS, TIMES, WEEKDAYS, days, moments
from conversations.search.number_words import groups_of_one, other_forms
from conversations.search.tokens import is_together, words

# Most characters, and most words and filters, that are read; the rest is left out, with a note.
MAX_QUERY_CHARS = 1000
MAX_TERMS = 32
PLACES = ("question", "answer", "query", "name")
# States of a conversation's answers; "complete": the last answer's job says so, which leaves no other state open.
COMPLETE = "complete"
STATES = (*(state.value for state in Outcome), COMPLETE)
HAS = ("chart", "rows", "ticket")
IS = ("starred", "unread")
# Filters by the last activity; and by the time of a question.
_DATES = ("from", "to", "on")
SPANS = (*_DATES, "asked")
_CHOICES = {"in": PLACES, "state": STATES, "has": HAS, "is": IS, "weekday": WEEKDAYS}
_FREE = ("owner", "topic", "ticket", "hour")
FILTERS = (*SPANS, *_CHOICES, *_FREE)
# Filters that cannot be negated; of the others, one conversation may have several values, or none.
_ONE_ONLY = ("in", *_DATES)
# Fewest letters of a word that is looked for as the beginning of others.
_MIN_BEGINNING_CHARS = 2
_ITEM = re.compile(
    r"""(?P<no>-)?(?:(?P<key>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)(?P<end>"\*?|$)|(?P<word>[^\s"]+)|(?P<rest>))"""
)
_READ_AS = {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "\N{NO-BREAK SPACE}": " "}
_QUOTES = str.maketrans(_READ_AS)
# Characters that no value of a filter keeps.
NOT_IN_VALUES = frozenset({'"', *_READ_AS})


@dataclass(frozen=True)
class Text:
    """Words beside each other; if `is_prefix`, the last one is only the beginning of a word.

    `others` are the same words with their numbers in other groupings; any of them will do.
    """

    words: tuple[str, ...]
    is_prefix: bool = False
    is_negated: bool = False
    others: tuple[tuple[str, ...], ...] = ()

    @property
    def forms(self) -> tuple[tuple[str, ...], ...]:
        return (self.words, *self.others)


@dataclass(frozen=True)
class Filter:
    name: str
    value: str
    is_negated: bool = False

    def __str__(self) -> str:
        # No value holds a quotation mark that `read` would take for the end of it.
        plain = " ".join(self.value.translate(_QUOTES).replace('"', " ").split())
        value = f'"{plain}"' if re.search(r"\s", plain) else plain
        return f"{'-' if self.is_negated else ''}{self.name}:{value}"


@dataclass(frozen=True)
class Asked:
    """A parsed query. `since` and `until` (excluded) bound the last activity; `odd` says what was not understood."""

    typed: str = ""
    texts: tuple[Text, ...] = ()
    filters: tuple[Filter, ...] = ()
    # Places to look for the words; empty for all.
    places: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    odd: tuple[str, ...] = ()
    # The typed text, without the filters.
    plain: str = field(default="", compare=False)
    # The typed text, without the filters that were understood.
    rest: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.texts or self.filters or self.typed.strip())

    @property
    def is_nonsense(self) -> bool:
        """Return whether words were typed of which none can be searched for. Ignored filters do not count."""
        return bool(self.plain.strip()) and not (self.texts or self.filters)

    @property
    def wanted(self) -> list[Text]:
        """Return the texts that a match has to hold."""
        return [text for text in self.texts if not text.is_negated]

    @property
    def filters_typed(self) -> str:
        """Return the filters that were understood, as they are typed."""
        return " ".join(map(str, self.filters))

    @property
    def has_words(self) -> bool:
        return bool(self.wanted)

    @property
    def depends_on_outcome(self) -> bool:
        """Return whether a filter is about outcomes of answers, known only if Omni was asked about their jobs."""
        of_jobs = [outcome.value for outcome in Outcome if outcome.is_told_by_job]
        outcomes = {"state": [*of_jobs, COMPLETE], "has": ["chart", "rows"]}
        return any(row.name == "topic" or row.value in outcomes.get(row.name, ()) for row in self.filters)

    def values(self, name: str) -> list[str]:
        """Return the values of the filters of that name which are not negated."""
        return [row.value for row in self.filters if row.name == name and not row.is_negated]

    def value(self, name: str) -> str:
        return next(iter(self.values(name)), "")

    def with_filters(self, rows: Iterable[Filter]) -> "Asked":
        """Return the query with the same words and these filters, in place of its own."""
        return read(self.typed_with(rows))

    def typed_with(self, rows: Iterable[Filter]) -> str:
        """Return what that query is when it is typed, for a link, without reading it."""
        return " ".join([self.plain, *map(str, rows)]).strip()

    def replaced(self, name: str, value: str) -> "Asked":
        """Return the query with this filter in place of others of its name; with none if `value` is "".

        Negated ones stay.
        """
        others = [row for row in self.filters if row.is_negated or row.name != name]
        return self.with_filters([*others, Filter(name, value)] if value else others)

    @property
    def beginnings(self) -> "Asked | None":
        """Return the query with its words as prefixes, without endings; None if they already are, or are too short."""
        items = list(_items(self.typed))
        begun = [item.begun for item in items]
        if begun == [item.whole for item in items]:
            return None
        return replace(read(" ".join(begun)), odd=self.odd)

    def also(self, added: Filter) -> "Asked":
        """Return the query with this filter besides its own."""
        return self.with_filters([*self.filters, added])

    def without(self, gone: Filter) -> "Asked":
        return self.with_filters(row for row in self.filters if row != gone)


def read(typed: str) -> Asked:
    """Parse a query in the active time zone."""
    reading = _Reading()
    text, beyond = typed.translate(_QUOTES).replace("\0", " "), ""
    if len(text) > MAX_QUERY_CHARS:
        text, beyond = text[:MAX_QUERY_CHARS], text[MAX_QUERY_CHARS:]
        reading.odd.append(f"Only the first {MAX_QUERY_CHARS:,} characters were used.")
    items = list(_items(text))
    if len(items) > MAX_TERMS:
        reading.odd.append(f"Only the first {MAX_TERMS} words and filters were used.")
    reading.take_all(items[:MAX_TERMS])
    reading.rest += [*(item.whole for item in items[MAX_TERMS:]), *([beyond] if beyond else [])]
    return reading.asked(typed)


class _Item(NamedTuple):
    """A word, phrase or filter, as it was typed. `ends_with`: the closing quotation mark of a phrase, and its star."""

    whole: str
    key: str
    value: str
    is_phrase: bool
    ends_with: str
    is_negated: bool

    @property
    def is_filter(self) -> bool:
        return self.key.lower() in FILTERS

    @property
    def is_bare(self) -> bool:
        return not (self.key or self.is_phrase or self.is_negated)

    @property
    def is_begun(self) -> bool:
        return self.ends_with == '"*' if self.is_phrase else self.value.endswith("*")

    @property
    def begun(self) -> str:
        """Return the item as a prefix, if that widens the search; a word without its English ending."""
        said = [word.text for word in words(self.value, is_asked=True)]
        if self.is_filter or self.is_negated or self.is_begun or not said or len(said[-1]) < _MIN_BEGINNING_CHARS:
            return self.whole
        if self.is_bare:
            return f"{word_forms.stem(self.whole)}*"
        return f"{self.whole}*" if self.ends_with or not self.is_phrase else f'{self.whole}"*'


def _items(text: str) -> Iterator[_Item]:
    text = text.translate(_QUOTES)
    place = 0
    while place < len(text):
        found = _ITEM.match(text, place)
        if found is None or not found[0].strip():
            place = max(found.end() if found else 0, place + 1)
            continue
        value, end = found["phrase"] if found["phrase"] is not None else found["word"] or "", found.end()
        key = found["key"] or ""
        if key.lower() in SPANS and found["phrase"] is None:
            value, end = _time(text, end - len(value), end)
        yield _Item(text[place:end], key, value, found["phrase"] is not None, found["end"] or "", bool(found["no"]))
        place = end


def _time(text: str, start: int, end: int) -> tuple[str, int]:
    """Return a time of several words, or after a blank, and its end; else the text from `start` to `end`."""
    blank = re.compile(r"\s*").match(text, start)
    begin = blank.end() if blank else start
    several = SEVERAL_WORDS.match(text, begin)
    if several:
        return several[0], several.end()
    if start == end and (one := re.compile(r"\S+").match(text, begin)) and days(one[0]):
        return one[0], one.end()
    return text[start:end], end


class _Reading:
    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.filters: list[Filter] = []
        self.plain: list[str] = []
        self.rest: list[str] = []
        self.odd: list[str] = []

    def take_all(self, items: Sequence[_Item]) -> None:
        left = list(items)
        while left:
            values = [item.value for item in left[: next((n for n, item in enumerate(left) if not item.is_bare), None)]]
            count = groups_of_one(values)
            # Each group by itself, or the whole number in any grouping.
            number = " ".join(values[:count])
            said = tuple(word.text for word in words(number, is_asked=True))
            others = (said, *other_forms(number, said, is_prefix=False)) if count else ()
            for item in left[: count or 1]:
                self._take(item, others)
            del left[: count or 1]

    def _take(self, item: _Item, others: tuple[tuple[str, ...], ...]) -> None:
        if item.is_phrase and not item.ends_with:
            self.odd.append("A quotation mark is not closed: everything after it was searched as one phrase.")
        if item.is_filter:
            understood = len(self.filters)
            self._filter(item.key.lower(), item.value.strip(), is_negated=item.is_negated)
            self.rest += [item.whole] if len(self.filters) == understood else []
            return
        self.rest.append(item.whole)
        if item.key and not item.value.startswith("//"):
            self.odd.append(f"“{item.key}:” is not a filter: it was searched as a word.")
        # A phrase without an end gets one, or it would swallow filters that are added.
        self.plain.append(f'{item.whole}"' if item.is_phrase and not item.ends_with else item.whole)
        self._text(f"{item.key}:{item.value}" if item.key else item.value, item, others)

    def _text(self, value: str, item: _Item, others: tuple[tuple[str, ...], ...]) -> None:
        said = tuple(word.text for word in words(value, is_asked=True))
        if not said:
            self.odd.append(f"“{_cut(item.whole)}” contains nothing to search for.")
            return
        if "*" in value.rstrip("*"):
            self.odd.append("A * works only at the end of a word: elsewhere it was ignored.")
        if value in ("AND", "OR", "NOT"):
            self.odd.append(f"{value} was searched as a word: all words have to match, and - excludes one.")
        # A single letter of a script without blanks stands for whatever begins with it.
        alone = len(said) == 1 and len(said[0]) == 1 and is_together(said[0])
        others = others or other_forms(value, said, is_prefix=item.is_begun)
        self.texts.append(Text(said, item.is_begun or alone, item.is_negated, others))

    def _filter(self, name: str, value: str, *, is_negated: bool) -> None:
        choices = _CHOICES.get(name)
        if not value:
            self.odd.append(f"“{name}:” needs a value right after it, without a space: it was ignored.")
        elif choices and value.lower() not in choices:
            self.odd.append(f"“{name}:” takes {_either(choices)}; “{_cut(value)}” was ignored.")
        elif name == "hour" and not re.fullmatch("[01]?[0-9]|2[0-3]", value, re.ASCII):
            self.odd.append(f"“hour:” takes 0 to 23; “{_cut(value)}” was ignored.")
        elif name == "topic" and not any(words(value)):
            self.odd.append(f"“topic:” takes words; “{_cut(value)}” was ignored.")
        elif name in SPANS and days(value) is None:
            self.odd.append(f"“{_cut(value)}” is not a date, so “{name}:” was ignored. Try {TIMES}.")
        elif is_negated and name in _ONE_ONLY:
            self.odd.append(f"“-{name}:” cannot be negated: it was ignored.")
        else:
            plain = value.lower() if choices or name in SPANS else value
            doubt = date_words.doubt(plain) if name in SPANS else ""
            if doubt:
                self.odd.append(doubt)
            self.filters.append(Filter(name, plain, is_negated))

    def asked(self, typed: str) -> Asked:
        since: list[datetime] = []
        until: list[datetime] = []
        for row in self.filters:
            first, end = (row.name in _DATES and moments(row.value)) or (None, None)
            if first and end:
                since += [first] if row.name != "to" else []
                until += [end] if row.name != "from" else []
        places = frozenset(row.value for row in self.filters if row.name == "in")
        if places and not self.texts:
            self.odd.append("“in:” says where to look for words, but there are no words.")
        return Asked(
            typed=typed,
            texts=tuple(dict.fromkeys(self.texts)),
            filters=tuple(dict.fromkeys(self.filters)),
            places=places,
            since=max(since, default=None),
            until=min(until, default=None),
            odd=tuple(dict.fromkeys(self.odd)),
            plain=" ".join(self.plain),
            rest=" ".join(self.rest),
        )


def _either(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004
