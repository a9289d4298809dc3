"""Numbers in a search query, in every grouping in which a text may write them.

Texts are cut at whatever stands between two groups: 1,234,567 and 1.234.567 and 1 234 567 are three words each, 1234567
is one. So the query is widened, not the text: each form of the number is a phrase of its own.
"""

import re
from typing import NamedTuple

from conversations.search.tokens import fold

# Characters between groups, or in front of decimals; blanks of any width count as one kind.
_SEPARATORS = "[,.'_\u2019\u02bc\u066b\u066c\uff0c\uff0e \u00a0\u2007\u2009\u202f]"
_NUMBER = re.compile(rf"(?<![^\W_])\d+(?:{_SEPARATORS}\d+)*(?![^\W_])")
_BLANK = " "
# Fewest and most digits of a number with other groupings: nobody groups fewer; more are a key, not an amount.
_FEWEST, _MOST = 4, 24


class Forms(NamedTuple):
    """Words of a text in which each number is written plainly, in groups of three, and as in India."""

    plain: tuple[str, ...]
    threes: tuple[str, ...]
    indian: tuple[str, ...]


def other_forms(text: str, said: tuple[str, ...], *, is_prefix: bool) -> tuple[tuple[str, ...], ...]:
    """Return the words `said` of `text` with its numbers in other groupings; none if it holds no large number."""
    folded = fold(text)
    numbers = [(found[0], *_read(found[0], is_begun=is_prefix)) for found in _NUMBER.finditer(folded)]
    if not any(_FEWEST - is_prefix <= len(digits) <= _MOST for _, digits, _ in numbers):
        return ()
    left = list(said)
    forms: list[list[str]] = [[], [], []]
    for written, digits, decimals in numbers:
        parts = re.findall(r"\d+", written)
        while left and left[: len(parts)] != parts:
            word = left.pop(0)
            for form in forms:
                form.append(word)
        if not left:
            return ()
        del left[: len(parts)]
        for form, groups in zip(forms, ([digits], _threes(digits), _indian(digits)), strict=True):
            form += [*groups, *decimals]
    whole = [(*form, *left) for form in forms]
    if is_prefix and len(numbers) == 1 and not left and not numbers[0][2]:
        # The number of digits that follow is open, and so is the place where groups begin.
        digits = numbers[0][1]
        before = forms[0][:-1]
        whole = [(*before, digits), *((*before, digits[:size], *_cut(digits[size:])) for size in (1, 2, 3))]
    return tuple(form for form in dict.fromkeys(whole) if form != said)


def _read(written: str, *, is_begun: bool) -> tuple[str, list[str]]:
    """Return the digits in front of the decimal separator, and the groups behind it."""
    groups = re.findall(r"\d+", written)
    separators = re.sub(r"\d+", "", written)
    separators = re.sub(r"[\s\u00a0]", _BLANK, separators)
    if not separators:
        return groups[0], []
    for count in (len(groups), len(groups) - 1):
        if len(set(separators[: count - 1])) <= 1 and _are_groups(groups[:count], is_begun=is_begun):
            return "".join(groups[:count]), groups[count:]
    return groups[0], groups[1:]


def _are_groups(groups: list[str], *, is_begun: bool) -> bool:
    sizes = [len(group) for group in groups]
    if len(sizes) == 1:
        return True
    if groups[0].startswith("0") or not 1 <= sizes[0] <= 3:  # noqa: PLR2004
        return False
    last_fits = sizes[-1] == 3 or (is_begun and sizes[-1] < 3)  # noqa: PLR2004
    return last_fits and (set(sizes[1:-1]) <= {3} or (set(sizes[1:-1]) == {2} and sizes[0] <= 2))  # noqa: PLR2004


def _threes(digits: str) -> list[str]:
    first = len(digits) % 3 or 3
    return [digits[:first], *_cut(digits[first:])] if digits else []


def _indian(digits: str) -> list[str]:
    """Split digits into lakh and crore: the last three, and pairs in front of them."""
    if len(digits) <= 3:  # noqa: PLR2004
        return [digits]
    front = digits[:-3]
    first = len(front) % 2 or 2
    return [front[:first], *(front[at : at + 2] for at in range(first, len(front), 2)), digits[-3:]]


def _cut(digits: str) -> list[str]:
    return [digits[at : at + 3] for at in range(0, len(digits), 3)]


_BY_BLANKS = re.compile(r"[^\w\s]?(?:[1-9]\d{0,2}(?: \d{3})+|[1-9]\d?(?: \d{2})+ \d{3})(?:[.,]\d+)?[^\w\s]?", re.ASCII)
# Groups of one number: a thousand times what an economy has.
_MAX_GROUPS = 8


def groups_of_one(values: list[str]) -> int:
    """Return how many values at the start, typed with blanks between them, are one number; 0 if none are."""
    for count in range(min(len(values), _MAX_GROUPS), 1, -1):
        if _BY_BLANKS.fullmatch(fold(_BLANK.join(values[:count]))):
            return count
    return 0
