"""Cells of files for spreadsheets: the one rule for all CSV of the site. Its twin is `static/js/spreadsheet.js`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

# Excel recognizes UTF-8 by this mark only.
BYTE_ORDER_MARK: Final = "\ufeff"
# A spreadsheet reads a cell with such a beginning as a formula (OWASP, CSV injection); the last four are East Asian.
_BEGINS_FORMULA: Final = "=+@\\-\t\r\n\uff1d\uff0b\uff0d\uff20"
# If semicolons separate cells, quotes within a line count for nothing: a formula may begin behind each, and with it
# behind each line end.
_BEGINNING = re.compile(rf'(?:^|(?<=[;\r\n]))"*+(?=[{_BEGINS_FORMULA}])')
# Amounts, and a dash for nothing: they hold no function and no reference to a cell.
_HARMLESS = re.compile(
    r"[-+](?:[ $€£¥₹₩₪₽₺₫₴₱₦฿]{0,3}[0-9][0-9.,' \u00a0\u2009\u202f]{0,40}+(?:(?<=[0-9])[eE][-+]?[0-9]{1,3})?"
    r"[ ]?[%kKMBT$€£¥₹₩₪₽₺₫₴₱₦฿]?)?(?=[\";\r\n]|$)"
)
# A list item such as "- so many words": without any of these characters it calls no function and no program.
_BULLET = re.compile(r"[-+] [^(|!=;\r\n]*+(?=[;\r\n]|$)")
# Letters and digits of any script, blanks and points, which every program reads alike without quotes.
_PLAIN = re.compile(r"[\w. ]*")


def defused(cell: str) -> str:
    """Return the cell with an apostrophe wherever a spreadsheet might take what follows for a formula."""
    return _BEGINNING.sub(lambda found: found[0] if _is_harmless(cell, found) else f"{found[0]}'", cell)


def _is_harmless(cell: str, beginning: re.Match[str]) -> bool:
    if _HARMLESS.match(cell, beginning.end()):
        return True
    is_line = cell[beginning.start() - 1 : beginning.start()] == "\n"
    return is_line and _BULLET.match(cell, beginning.end()) is not None


def quoted(cell: str) -> str:
    """Return the cell as it stands in a CSV file: in quotes unless no program could read more into it."""
    text = defused(cell)
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Write CSV (RFC 4180), a line a row."""
    for row in rows:
        # An empty line would be no row.
        yield (",".join(map(quoted, row)) or '""') + "\r\n"
