"""Columns of numbers that measure something: numbers that name a thing, a place or a time are not drawn as bars."""

import re
from collections.abc import Sequence
from typing import Final

from conversations.tables import numbers
from conversations.tables.parsing import Column

_YEARS: Final = range(1700, 2201)
_DAYS_OF_YEAR: Final = 366
# Digits from which on a number under such a name is a telephone number.
_DIALLED: Final = 6
# A column's last word begins at one of these: "order_id", "orders.id", "customerId"; but "Orders per zip" measures.
_START = r"(?:^|[\W_]|(?<=[a-z])(?=[A-Z]))(?<!(?i:per ))(?<!(?i:by ))"
_ASIDE = re.compile(r"\([^()]*+\)[\s.:]*+$")
# Names of things, whatever their numbers look like.
_NAMES = re.compile(
    _START
    + r"(?i:id|uuid|guid|key|pk|sku|ean|upc|gtin|isbn|issn|asin|imei|vin|ssn|iban|barcode|serial|pin|code|ref|reference"
    r"|(?:zip|post(?:al)?)(?:[ _]?code)?|plz|rank|ranking|rang|position|pos|version|sort[ _]?order"
    r"|lat|latitude|lng|lon|longitude|coordinates?|breitengrad|l[äa]ngengrad|latitud|longitud"
    r"|\w{0,30}nummer|\w{0,30}[ _](?:nr|no|num))\.?$"
)
_PHONES = re.compile(
    _START + r"(?i:phone|telephone|telefono|teléfono|telefon|tel|mobile|cell|fax|whatsapp|extension|contact)\.?$"
)
# "Order number", "Phone #"; but "Total number" and "# of orders" are counts.
_NUMBERED = re.compile(r"(?<!\w)(?P<of>[^\W\d_][\w .]{0,40}?)[ _.]{0,3}(?:(?i:number|n[úu]mero)|#|№)$")
_COUNTED = frozenset({"total", "average", "avg", "mean", "median", "sum", "max", "min", "overall", "the"})
_SPANS = "".join(f"(?<!(?i:{word} ))" for word in ("this", "last", "next", "previous", "prior", "current"))
_TIMES = re.compile(
    _START + _SPANS + r"(?i:(?:fiscal[ _])?(?:year|quarter|month|week|weekday|hour|fy)"
    r"(?:[ _]of[ _](?:the[ _])?(?:day|week|month|quarter|year))?|day[ _]of[ _](?:the[ _])?(?:week|month|year)"
    r"|vintage|cohort|founded|since|born|jahr|a[ñn]o|ann[ée]e)$"
)
_DIGITS = re.compile(r"\d+")
_CODE = re.compile(r"0\d+")


def is_measure(column: Column, cells: Sequence[str]) -> bool:
    """Tell whether a column may be drawn: numbers of one unit, in a notation beyond doubt, and no names of things."""
    said = [cell.strip() for cell in cells if not numbers.says_nothing(cell)]
    if not column.is_number or not column.notation.is_certain or any(map(_CODE.fullmatch, said)):
        return False
    units = {column.unit(cell) for cell in said if column.value(cell)}
    if len(units) > 1:
        return False
    return bool(units - {""}) or not _names_something(_bare(column.name), said)


def _bare(name: str) -> str:
    """Return a column's name without what stands behind it in brackets."""
    return _ASIDE.sub("", name[:200].strip()).strip()


def _names_something(name: str, said: Sequence[str]) -> bool:
    numbered = _NUMBERED.search(name)
    if numbered and numbered["of"].strip().lower() not in _COUNTED:
        return True
    if _NAMES.search(name) or name in ("#", "№"):
        return True
    if _PHONES.search(name):
        return all(_DIGITS.fullmatch(cell) and len(cell) >= _DIALLED for cell in said)
    return bool(_TIMES.search(name)) and all(map(_is_point_in_time, said))


def _is_point_in_time(cell: str) -> bool:
    """Tell a year, a month, a week or an hour from the amount of a period."""
    digits = cell.replace(",", "")
    return bool(_DIGITS.fullmatch(digits)) and (int(digits[:9]) in _YEARS or int(digits[:9]) <= _DAYS_OF_YEAR)
