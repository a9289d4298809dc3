"""The marks that divide a result which Omni cut: `# FIRST 9 ROWS:`, `# SAMPLED 5 ROWS FROM MIDDLE (rows 40-44):`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MOST_CHARS: Final = 120
_MARK = re.compile(
    r"# ?(?P<which>FIRST|LAST|SAMPLED?|MIDDLE|NEXT|RANDOM) (?P<count>[\d,]{1,15}) (?:\w+ )?ROWS?\b"
    r"(?: FROM (?:THE )?MIDDLE)?(?: ?\(rows (?P<from>[\d,]{1,15}) ?(?:-|–|to) ?(?P<to>[\d,]{1,15})\))? ?:?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Section:
    """Rows that Omni sent in one piece, from place `start` (from 0) on. Before all but the first, rows are left out."""

    start: int
    label: str

    @property
    def is_after_gap(self) -> bool:
        return self.start > 0


def label_of(row: Sequence[str]) -> str | None:
    """Return the name of the section that a row of the CSV begins, being a mark; None for any other row."""
    if not row[0].lstrip().startswith("#"):
        return None
    # A comma in a number divided it into cells; a mark may be filled up to the width of the table.
    text = " ".join(",".join(row).rstrip(", ").split())
    found = _MARK.fullmatch(text) if len(text) <= _MOST_CHARS else None
    if not found:
        return None
    count = int(found["count"].replace(",", "") or 0)
    rows = "row" if count == 1 else f"{count:,} rows"
    which = found["which"].upper()
    if which in ("FIRST", "LAST"):
        label = f"{which.capitalize()} {rows}"
    else:
        label = f"{count:,} {'row' if count == 1 else 'rows'} sampled from the middle"
    if found["from"]:
        label += f" (rows {_grouped(found['from'])} to {_grouped(found['to'])})"
    return label


def _grouped(number: str) -> str:
    digits = number.replace(",", "")
    return f"{int(digits):,}" if digits else "0"
