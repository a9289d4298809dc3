"""What is typed into the search box: words, "phrases", -not, prefixes by *, and filters such as `state:failed`.

Every text means something: what is not understood is told in `Asked.odd`, and nothing raises.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.utils import timezone

from conversations.words import is_together, words

# Characters that are read, and words and filters; what is more is left out, and said.
LONGEST = 1000
MOST_TERMS = 32
PLACES = ("question", "answer", "query", "name")
STATES = ("failed", "cancelled", "running", "unanswered", "answered")
HAS = ("chart", "rows", "ticket")
IS = ("starred", "unread")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# Of the last activity; and of a question.
_DATES = ("from", "to", "on")
_SPANS = (*_DATES, "asked")
_CHOICES = {"in": PLACES, "state": STATES, "has": HAS, "is": IS, "weekday": WEEKDAYS}
_FREE = ("owner", "topic", "ticket", "hour")
FILTERS = (*_SPANS, *_CHOICES, *_FREE)
# Those of which one conversation has several, or none: they can be turned around.
_ONE_ONLY = ("in", *_DATES)
TIMES = (
    "a day (2026-10-03), a month, a quarter (2026-Q3), a year, today, yesterday, how long ago (7d, 2w, 3m, 1y), or two "
    "of them (2026-10-03..2026-10-09)"
)
_ITEM = re.compile(
    r"""(?P<no>-)?(?:(?P<key>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)(?P<end>"\*?|$)|(?P<word>[^\s"]+)|(?P<rest>))"""
)
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "\N{NO-BREAK SPACE}": " "})


@dataclass(frozen=True)
class Text:
    """Words that stand beside each other; the last one only begins so, where `is_prefix`."""

    words: tuple[str, ...]
    is_prefix: bool = False
    is_negated: bool = False


@dataclass(frozen=True)
class Filter:
    name: str
    value: str
    is_negated: bool = False

    def __str__(self) -> str:
        value = f'"{self.value}"' if re.search(r"\s", self.value) else self.value
        return f"{'-' if self.is_negated else ''}{self.name}:{value}"


@dataclass(frozen=True)
class Asked:
    """`since` and `until` (not itself) bound the last activity. `odd`: sentences on what was not understood."""

    typed: str = ""
    texts: tuple[Text, ...] = ()
    filters: tuple[Filter, ...] = ()
    # Where the words are looked for; empty: everywhere.
    places: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    odd: tuple[str, ...] = ()
    # As it was typed, less the filters.
    plain: str = field(default="", compare=False)

    def __bool__(self) -> bool:
        return bool(self.texts or self.filters or self.typed.strip())

    @property
    def is_nonsense(self) -> bool:
        """Something was typed, and nothing of it can be looked for."""
        return bool(self.typed.strip()) and not (self.texts or self.filters)

    @property
    def has_words(self) -> bool:
        return any(not text.is_negated for text in self.texts)

    def values(self, name: str) -> list[str]:
        """Of the filters of that name which are not turned around."""
        return [row.value for row in self.filters if row.name == name and not row.is_negated]

    def value(self, name: str) -> str:
        return next(iter(self.values(name)), "")

    def replaced(self, name: str, value: str) -> "Asked":
        """With this filter in the place of all of its name; `value` "": with none."""
        others = [row for row in self.filters if row.name != name]
        rows = [*others, Filter(name, value)] if value else others
        return read(" ".join([self.plain, *map(str, rows)]).strip())

    def without(self, gone: Filter) -> "Asked":
        rows = [row for row in self.filters if row != gone]
        return read(" ".join([self.plain, *map(str, rows)]).strip())


def read(typed: str) -> Asked:
    """In the time zone that is active."""
    reading = _Reading()
    text = typed.translate(_QUOTES).replace("\0", " ")
    if len(text) > LONGEST:
        text = text[:LONGEST]
        reading.odd.append(f"Only the first {LONGEST:,} characters are searched for.")
    for count, found in enumerate(_items(text)):
        if count >= MOST_TERMS:
            reading.odd.append(f"Only the first {MOST_TERMS} words and filters are searched for.")
            break
        reading.take(found)
    return reading.asked(typed)


def _items(text: str) -> list[re.Match[str]]:
    return [found for found in _ITEM.finditer(text) if found[0].strip()]


class _Reading:
    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.filters: list[Filter] = []
        self.plain: list[str] = []
        self.odd: list[str] = []

    def take(self, found: re.Match[str]) -> None:
        key, is_negated = (found["key"] or "").lower(), bool(found["no"])
        value = found["phrase"] if found["phrase"] is not None else found["word"] or ""
        if found["phrase"] is not None and not found["end"]:
            self.odd.append("A quotation mark is not closed: all that follows it was taken as one phrase.")
        if key in FILTERS:
            self._filter(key, value.strip(), is_negated=is_negated)
            return
        if key and not value.startswith("//"):
            self.odd.append(f"“{found['key']}:” is no filter here: it was searched for as a word.")
        self.plain.append(found[0])
        self._text(found["key"] + ":" + value if key else value, found, is_negated=is_negated)

    def _text(self, value: str, found: re.Match[str], *, is_negated: bool) -> None:
        starred = value.endswith("*") if found["phrase"] is None else found["end"] == '"*'
        said = tuple(word.text for word in words(value, is_asked=True))
        if not said:
            self.odd.append(f"“{_cut(found[0])}” holds nothing that can be searched for.")
            return
        if "*" in value.rstrip("*"):
            self.odd.append("A * stands for the rest of a word, at its end: elsewhere it was left out.")
        if value in ("AND", "OR", "NOT"):
            self.odd.append(f"{value} was searched for as a word: all words are looked for, - leaves one out.")
        # A single letter of a script without blanks stands for whatever begins with it.
        alone = len(said) == 1 and len(said[0]) == 1 and is_together(said[0])
        self.texts.append(Text(said, starred or alone, is_negated))

    def _filter(self, name: str, value: str, *, is_negated: bool) -> None:
        choices = _CHOICES.get(name)
        if not value:
            self.odd.append(f"“{name}:” needs a value behind it, without a blank: it was left out.")
        elif choices and value.lower() not in choices:
            self.odd.append(f"“{name}:” takes {_either(choices)}; “{_cut(value)}” was left out.")
        elif name == "hour" and not re.fullmatch("[01]?[0-9]|2[0-3]", value, re.ASCII):
            self.odd.append(f"“hour:” takes 0 to 23; “{_cut(value)}” was left out.")
        elif name in _SPANS and days(value) is None:
            self.odd.append(f"“{name}:” takes {TIMES}; “{_cut(value)}” was left out.")
        elif is_negated and name in _ONE_ONLY:
            self.odd.append(f"“-{name}:” cannot be turned around: it was left out.")
        else:
            plain = value.lower() if choices or name in _SPANS else value
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
            self.odd.append("“in:” says where words are looked for, and there is no word.")
        return Asked(
            typed=typed,
            texts=tuple(dict.fromkeys(self.texts)),
            filters=tuple(dict.fromkeys(self.filters)),
            places=places,
            since=max(since, default=None),
            until=min(until, default=None),
            odd=tuple(dict.fromkeys(self.odd)),
            plain=" ".join(self.plain),
        )


_AGO: dict[str, Callable[[date, int], date]] = {
    "d": lambda today, count: today - timedelta(days=count - 1),
    "w": lambda today, count: today - timedelta(days=7 * count - 1),
    "m": lambda today, count: _months_before(today, count) + timedelta(days=1),
    "y": lambda today, count: _months_before(today, 12 * count) + timedelta(days=1),
}


def days(value: str) -> tuple[date, date] | None:
    """The first day, and the one after the last, of what a date filter says; None if that is no time.

    `7d` are the seven days that end with today; `2026-10..2026-12` all from the first to the last of the two.
    """
    if ".." in value:
        ends = [days(part) if ".." not in part else None for part in value.split("..", 1)]
        return (ends[0][0], ends[1][1]) if ends[0] and ends[1] and ends[0][0] < ends[1][1] else None
    today = timezone.localdate()
    text = value.strip().lower()
    try:
        if text in ("today", "yesterday"):
            first = today - timedelta(days=text == "yesterday")
            return first, first + timedelta(days=1)
        if found := re.fullmatch(r"([0-9]{1,4})([dwmy])", text, re.ASCII):
            return _AGO[found[2]](today, max(int(found[1]), 1)), today + timedelta(days=1)
        if found := re.fullmatch(r"([0-9]{4})(?:-q([1-4])|-([0-9]{1,2})(?:-([0-9]{1,2}))?)?", text, re.ASCII):
            return _calendar(*(int(part) if part else None for part in found.groups()))
    except (ValueError, OverflowError):
        pass
    return None


def _calendar(year: int | None, quarter: int | None, month: int | None, day: int | None) -> tuple[date, date]:
    first = date(year or 0, month or 3 * (quarter or 1) - 2, day or 1)
    if day:
        return first, first + timedelta(days=1)
    length = 1 if month else 3 if quarter else 12
    months = first.month - 1 + length
    return first, date(first.year + months // 12, months % 12 + 1, 1)


def _months_before(day: date, count: int) -> date:
    months = day.year * 12 + day.month - 1 - count
    first = date(months // 12, months % 12 + 1, 1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return first.replace(day=min(day.day, (following - first).days))


def moments(value: str) -> tuple[datetime, datetime] | None:
    """The same as moments in the time zone that is active: the first, and the one at which it is over."""
    found = days(value)
    return (midnight(found[0]), midnight(found[1])) if found else None


def midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _either(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004
