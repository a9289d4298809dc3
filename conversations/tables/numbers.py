"""Numbers as people write them in a column: money, percentages, thousands and decimals of several countries.

White space is folded before any expression runs, and a cell beyond `MOST_CHARS` is never tried: reading a cell costs a
bounded time, whatever is in it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

# Characters of the longest number.
MOST_CHARS: Final = 60
# Share of a column's cells that have to be numbers for the column to be sorted by them.
MOST_OF: Final = 0.8
# Cells by which a column is given up: where none of these is a number, the others are not tried.
FIRST_CELLS: Final = 20
# Cells with a decimal comma that prove the notation where no currency does.
_ENOUGH_COMMAS: Final = 2
# "US$5", "5 EUR", "12 zł". Three capitals may be any currency, but not a unit of time: "10 MIN".
_SIGNS = "[A-Z]{0,2}[$€£¥₹₩₪₽₺₫₴₱₦฿＄￡￥￦]|zł|Kč|Ft|Fr\\.|kr\\.?|Rs\\.?"
_CODE = "(?!DAY|HRS|MIN|SEC|WKS|MON|MOS|YRS|NAN|INF)[A-Z]{3}"
_SCALES = {
    "k": Decimal(10**3),
    "K": Decimal(10**3),
    "M": Decimal(10**6),
    "Mn": Decimal(10**6),
    "mn": Decimal(10**6),
    "Mio.": Decimal(10**6),
    "B": Decimal(10**9),
    "Bn": Decimal(10**9),
    "bn": Decimal(10**9),
    "Mrd.": Decimal(10**9),
    "T": Decimal(10**12),
}
# Thousands by commas, also in India's pairs, by apostrophes or blanks; a decimal point.
_POINT = r"""\d{1,3}(?:,\d{3})++ | \d{1,3}(?:'\d{3})++ | \d{1,3}(?:[ ]\d{3})++ | \d{1,2}(?:,\d\d(?=,))*+,\d{3} | \d++"""
# Thousands by points, apostrophes or blanks; a decimal comma.
_COMMA = r"""\d{1,3}(?:\.\d{3})++ | \d{1,3}(?:'\d{3})++ | \d{1,3}(?:[ ]\d{3})++ | \d++"""
# Blanks that are typed within numbers alone; any other apostrophe.
_INNER_BLANK = re.compile("(?<=\\d)[\u00a0\u2009\u202f’](?=\\d)")
_NOT_DIGITS = re.compile(r"\D")


def _pattern(whole: str, mark: str) -> re.Pattern[str]:
    scales = "|".join(sorted(map(re.escape, _SCALES), key=len, reverse=True))
    return re.compile(
        rf"""
        (?P<outer>(?:{_SIGNS})[ ]?(?=\())?
        (?P<open>\()?[ ]?
        (?P<sign>[-+\u2212])?[ ]?
        (?P<currency>{_SIGNS}|{_CODE}[ ])?[ ]?
        (?P<inner>[-\u2212])?
        (?P<whole>{whole})?(?P<fraction>{mark}\d++)?(?P<power>[eE][-+]?\d{{1,3}}+)?[ ]?
        (?P<scale>{scales})?[ ]?
        (?P<unit>%|{_SIGNS}|(?<=[ ]){_CODE})?[ ]?
        (?(open)\))
        """,
        re.VERBOSE,
    )


_PATTERNS = {".": _pattern(_POINT, r"\."), ",": _pattern(_COMMA, ",")}
_NOTHING = frozenset(
    {
        "",
        "-",
        "–",
        "—",
        "−",
        "n/a",
        "N/A",
        "n.a.",
        "NA",
        "#N/A",
        "null",
        "NULL",
        "Null",
        "None",
        "∅",
        "NaN",
        "nan",
        "NAN",
    }
    | {"(null)", "(blank)", "(none)", "(empty)", "<null>", "<NULL>", "[NULL]", "[null]", "(NULL)", "NaT", "(not set)"}
    | {"inf", "-inf", "+inf", "Infinity", "-Infinity", "∞", "-∞"}
)


@dataclass(frozen=True)
class Number:
    """A value, and the currency or "%" with which it is written ("" without one)."""

    value: Decimal
    unit: str


@dataclass(frozen=True)
class Notation:
    """How a column writes its numbers. `is_certain`: False where "12.345 €" may as well mean twelve and a bit."""

    mark: str = "."
    is_certain: bool = True

    def value(self, cell: str) -> Decimal | None:
        number = read(cell, self.mark)
        return number.value if number else None


# Omni's notation, unless the organization is set to another country.
ENGLISH: Final = Notation()


def says_nothing(cell: str) -> bool:
    return cell.strip() in _NOTHING


def folded(cell: str) -> str:
    """Return the cell with single blanks, or "" where it is too long for a number or a time."""
    text = cell.strip()
    return " ".join(text.split()) if len(text) <= MOST_CHARS else ""


def read(cell: str, mark: str = ".") -> Number | None:
    """Return the number that a person reads in the cell, `mark` being its decimal mark; None if it is none."""
    found = _match(cell, mark)
    if not found or not (found["whole"] or found["fraction"]):
        return None
    if (found["open"] and (found["sign"] or found["inner"])) or (found["sign"] and found["inner"]):
        return None
    before, behind = (found["outer"] or found["currency"] or "").strip(), found["unit"] or ""
    if (found["outer"] and found["currency"]) or (before and behind and behind not in ("%", before)):
        return None
    whole, fraction = found["whole"] or "0", found["fraction"] or ""
    # A blank between digits divides telephone numbers too: something has to say that it is an amount.
    if " " in whole and not (before or behind or fraction):
        return None
    try:
        number = Decimal(f"{_NOT_DIGITS.sub('', whole)}{fraction.replace(',', '.')}{found['power'] or ''}")
    except InvalidOperation:
        return None
    if found["open"] or (found["sign"] or "+") != "+" or found["inner"]:
        number = -number
    number *= _SCALES.get(found["scale"] or "", Decimal(1))
    return Number(number / 100 if behind == "%" else number, before or behind)


def _match(cell: str, mark: str) -> re.Match[str] | None:
    text = folded(_INNER_BLANK.sub("'", cell)) if len(cell) <= 2 * MOST_CHARS else folded(cell)
    return _PATTERNS[mark].fullmatch(text) if text else None


def notation(cells: Sequence[str]) -> tuple[Notation, bool] | None:
    """Return how these cells, of which each says something, write numbers, and whether all of them are numbers.

    None where most of them are none.
    """
    if (pointed := share(cells, ENGLISH.value)) >= MOST_OF:
        return _doubted(cells), pointed == 1
    comma = Notation(",")
    if (with_comma := share(cells, comma.value)) >= MOST_OF and _shows_comma(cells):
        return comma, with_comma == 1
    return None


def share(cells: Sequence[str], key: Callable[[str], object | None]) -> float:
    """Return the share of cells that have such a key; 0 as soon as it is clear that they are not most."""
    most_others = len(cells) * (1 - MOST_OF)
    others = 0
    for number, cell in enumerate(cells, start=1):
        others += key(cell) is None
        if others > most_others or others == number == FIRST_CELLS:
            return 0.0
    return (len(cells) - others) / len(cells) if cells else 0.0


def _shows_comma(cells: Sequence[str]) -> bool:
    """Tell whether something proves the decimal comma: "1,23" alone may be a pair as well."""
    commas = 0
    for cell in cells:
        found = _match(cell, ",")
        if found and (found["currency"] or found["unit"] or found["outer"] or "." in (found["whole"] or "")):
            return True
        commas += bool(found and found["fraction"])
    return commas >= _ENOUGH_COMMAS


def _doubted(cells: Sequence[str]) -> Notation:
    """Tell thousands that are divided by points, "12.345", from decimals, where all numbers have such a form."""
    if not any("." in cell for cell in cells):
        return ENGLISH
    with_point = without_point = 0
    is_money = is_behind = False
    for cell in cells:
        found = _match(cell, ".")
        if not found or not (found["whole"] or found["fraction"]):
            continue
        whole, fraction = found["whole"] or "", found["fraction"] or ""
        if found["unit"] == "%" or found["power"] or found["scale"] or "," in whole:
            return ENGLISH
        # ".5", "0.125", "1234", "12.5": a group of thousands is none of these.
        if not whole or len(whole) > 3 or (fraction and (len(fraction) != 4 or whole.startswith("0"))):  # noqa: PLR2004
            return ENGLISH
        with_point += bool(fraction)
        without_point += not fraction
        is_money = is_money or bool(found["outer"] or found["currency"] or found["unit"])
        is_behind = is_behind or bool(found["unit"])
    if not with_point or not (without_point or is_money):
        return ENGLISH
    return Notation("," if without_point or is_behind else ".", is_certain=False)
