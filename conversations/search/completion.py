"""Completions of a search query while it is typed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from conversations.search.date_words import WEEKDAYS
from conversations.search.syntax import FILTERS, HAS, IS, PLACES, STATES

# Text that people read beside each filter.
MEANINGS: Final = {
    "owner": "who asked",
    "state": "state of its answers",
    "topic": "topics of its queries",
    "has": "a chart, rows or a ticket",
    "ticket": "linked from a ticket",
    "is": "starred or unread",
    "from": "active since",
    "to": "active until",
    "on": "last active on a day",
    "asked": "asked on a day",
    "hour": "asked at an hour of the day",
    "weekday": "asked on a day of the week",
    "in": "where to look for words",
}
# Values that need no look into the database, with what people read beside them.
_SPANS: Final = {
    "today": "",
    "yesterday": "",
    "last week": "",
    "last month": "",
    "7d": "the last 7 days",
    "30d": "the last 30 days",
    "3m": "the last 3 months",
    "1y": "the last 12 months",
}
CHOICES: Final[dict[str, Sequence[str]]] = {
    "state": tuple(map(str, STATES)),
    "has": HAS,
    "is": IS,
    "in": PLACES,
    "weekday": WEEKDAYS,
    "hour": tuple(str(hour) for hour in range(24)),
}
# Words in front of a name that say no more than `owner:` does.
_ASKED_BY: Final = (("asked", "by"), ("by",))
# Most words of a name in front of the one that is typed.
_WORDS_BEFORE = 3


@dataclass(frozen=True)
class Typed:
    """The end of a text: a filter's name ("" if there is none yet), and as much of its value as is typed."""

    name: str
    value: str
    # Text in front of it, and a minus that turns the filter around.
    before: str
    minus: str

    @classmethod
    def of(cls, text: str) -> "Typed":
        """Return the last word or filter of a text; where a quotation mark is open, with all behind that."""
        before, value = text, ""
        is_quoted = text.count('"') % 2 == 1
        if is_quoted:
            before, _, value = text.rpartition('"')
        last = before.split()[-1] if before and not before[-1].isspace() else ""
        last = last.rpartition('"')[2]
        minus = "-" if last.startswith("-") else ""
        name, colon, rest = last.removeprefix("-").partition(":")
        found = cls(name.lower(), value if is_quoted else rest, before[: len(before) - len(last)], minus)
        if colon and name.lower() in FILTERS:
            return found
        return cls("", value or last.removeprefix("-"), found.before, minus)

    def as_name(self) -> Iterator["Typed"]:
        """Yield this as the beginning of a name, with plain words in front of it as its part, the most first.

        "by" or "asked by" in front of it is left out.
        """
        words = self.before.split()
        most = 0 if self.name or self.minus else min(_WORDS_BEFORE, len(words))
        for count in range(most, -1, -1):
            kept, taken = words[: len(words) - count], words[len(words) - count :]
            if any(word.startswith("-") or not {'"', ":"}.isdisjoint(word) for word in taken):
                continue
            left_out = 0 if self.name else next((len(by) for by in _ASKED_BY if _ends(kept, by)), 0)
            before = "".join(f"{word} " for word in kept[: len(kept) - left_out])
            yield replace(
                self, value=" ".join([*taken, self.value]), before=before if taken or left_out else self.before
            )

    def begins(self, *texts: str) -> bool:
        """Return whether a word of one of these texts begins as the value does."""
        sought = self.value.casefold().lstrip("=")
        words = (word for text in texts for word in (text, *re.split(r"[\s._-]+", text)))
        return any(word.casefold().startswith(sought) for word in words)


def _ends(words: Sequence[str], end: Sequence[str]) -> bool:
    return [word.lower() for word in words[-len(end) :]] == list(end)


@dataclass(frozen=True)
class Completion:
    """Text that completes a query: `insert` is the whole query then. `count` is "" where nothing is counted.

    Or, with an `address`, the title of a conversation, which is opened.
    """

    insert: str
    text: str
    meaning: str = ""
    count: str = ""
    address: str = ""


def names(typed: Typed) -> list[Completion]:
    """Return the filters whose names begin as the last word does."""
    if typed.name:
        return []
    return [
        Completion(f"{typed.before}{typed.minus}{name}:", f"{typed.minus}{name}:", meaning)
        for name, meaning in MEANINGS.items()
        if name.startswith(typed.value.lower())
    ]


def values(typed: Typed) -> Iterable[tuple[str, str]]:
    """Yield the values of a filter that are the same for everybody, with their meanings, as far as they begin so."""
    known = _SPANS if typed.name in ("from", "to", "on", "asked") else dict.fromkeys(CHOICES.get(typed.name, ()), "")
    for value, meaning in known.items():
        if value.startswith(typed.value.lower()):
            yield value, meaning
