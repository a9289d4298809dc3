"""Rows of tables: cells between pipes, as GitHub has them, but without a cell of a ragged row being dropped."""

import re
from xml.etree.ElementTree import Element, SubElement

from conversations.rendering.code_spans import code_spans

_DELIMITERS = re.compile(r"\|? *:?-+:? *(?:\| *:?-+:? *)*\|?")
# A pipe that ends a cell is not escaped.
_PIPE = re.compile(r"(?<!\\)\|")


def alignments(line: str) -> list[str] | None:
    """Return a column's "left", "right", "center" or "" each, if this is the row of dashes below a table's head."""
    if not _DELIMITERS.fullmatch(line):
        return None
    sides = {(True, True): "center", (True, False): "left", (False, True): "right", (False, False): ""}
    return [sides[cell.startswith(":"), cell.endswith(":")] for cell in cells(line)]


def cells(line: str) -> list[str]:
    """Return the cells of a row. An escaped pipe separates none, and is a pipe from here on, in code as well."""
    return _unescaped(_PIPE.split(_bare(line)))


def add(parent: Element, tag: str, line: str, sides: list[str]) -> None:
    """Add a row. Cells beyond the last column stay in the last one."""
    found = cells(line)
    if len(found) > len(sides):
        # A pipe in code that nobody escaped: `a || b`.
        found = _unescaped(_split_outside_code(_bare(line)))
    row = SubElement(parent, "tr")
    last = len(sides) - 1
    found[last:] = [" | ".join(found[last:])]
    for place, side in enumerate(sides):
        cell = SubElement(row, tag, {"class": f"align-{side}"} if side else {})
        cell.text = found[place] if place < len(found) else ""


def _bare(line: str) -> str:
    """Return a row without the pipes around it."""
    line = line.strip(" ").removeprefix("|")
    return line[:-1] if line.endswith("|") and not line.endswith("\\|") else line


def _split_outside_code(line: str) -> list[str]:
    spans = code_spans(line)
    found, start, place = [], 0, 0
    for pipe in _PIPE.finditer(line):
        while place < len(spans) and spans[place][1] <= pipe.start():
            place += 1
        if place == len(spans) or pipe.start() < spans[place][0]:
            found.append(line[start : pipe.start()])
            start = pipe.end()
    return [*found, line[start:]]


def _unescaped(found: list[str]) -> list[str]:
    return [cell.replace("\\|", "|").strip(" ") for cell in found]
