"""Markdown as plain text, for snippets without formatting. Takes linear time."""

import re
from html import unescape

_FENCE = re.compile(r"`{3,}|~{3,}")
_FENCES = re.compile(r"^[ \t>]{0,20}(?:`{3}|~{3})", re.MULTILINE)
# Marks in front of a line: of quotes, headings and lists. Numbers of a list are words, and stay.
_FRONT = re.compile(r"(?:>|#{1,6}(?=\s)|[-*+](?=\s)(?:\s+\[[ xX]\](?=\s))?)\s*")
# Most marks that are removed in front of one line.
_DEEPEST = 12
_ALL_RULE = frozenset("-=*_|:+ \t")
_HEADING_END = re.compile(r"\s#++$")
_BAR = re.compile(r"(?<!\\)\|")
_DESTINATION = r"\((?:[^()\s]|\([^()\s]{0,300}\))*+(?:\s{1,9}\"[^\"\n]{0,300}\")?\)"
_LINK = re.compile(rf"!?\[([^\[\]]{{0,300}})\](?:{_DESTINATION}|\[[^\[\]]{{0,100}}\])")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]++)>")
_MARK = re.compile(r"\\.|\*+|_+|~~", re.DOTALL)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_TICKS = re.compile(r"`+")


def plain(text: str, *, begins_in_code: bool = False) -> str:
    """Return the words of `text` without Markdown's marks, the cells of a table with dots between them."""
    is_code = begins_in_code
    lines: list[str] = []
    was_row = False
    source = [_bare(line) for line in text.split("\n")]
    for number, line in enumerate(source):
        if _FENCE.match(line):
            is_code = not is_code
            continue
        if is_code:
            lines.append(line)
            continue
        if set(line) <= _ALL_RULE:
            continue
        is_row = "|" in line and (line[0] == "|" or was_row or _is_delimiter(source[number + 1 : number + 2]))
        lines.append(_row(line) if is_row else _spoken(_HEADING_END.sub("", line)))
        was_row = is_row
    return "\n".join(lines)


def is_in_code(text: str) -> bool:
    """Return whether what follows `text` stands in a fence."""
    return len(_FENCES.findall(text)) % 2 == 1


def _bare(line: str) -> str:
    """Return a line without the marks in front of it; a rule is left as it is."""
    line = line.strip()
    for _ in range(_DEEPEST):
        found = _FRONT.match(line)
        if found is None or set(line) <= _ALL_RULE:
            break
        line = line[found.end() :]
    return line


def _is_delimiter(following: list[str]) -> bool:
    return bool(following) and "-" in following[0] and set(following[0]) <= frozenset("|-: \t")


def _row(line: str) -> str:
    cells = [_spoken(cell.strip()).replace("\\|", "|") for cell in _BAR.split(line.strip().strip("|"))]
    return f"{' · '.join(cell for cell in cells if cell)};"


def _spoken(text: str) -> str:
    """Return a text without the marks of code, links and emphasis."""
    parts: list[str] = []
    runs = [run.span() for run in _TICKS.finditer(text)]
    following: dict[int, int] = {}
    closes: list[int | None] = [None] * len(runs)
    for number in range(len(runs) - 1, -1, -1):
        length = runs[number][1] - runs[number][0]
        closes[number] = following.get(length)
        following[length] = number
    place = number = 0
    while number < len(runs):
        close = closes[number]
        if close is not None:
            parts += [_prose(text[place : runs[number][0]]), text[runs[number][1] : runs[close][0]].strip()]
            place, number = runs[close][1], close
        number += 1
    return "".join([*parts, _prose(text[place:])])


def _prose(text: str) -> str:
    text = _AUTOLINK.sub(r"\1", _LINK.sub(r"\1", text))
    return _ESCAPED.sub(r"\1", unescape(_without_emphasis(text)))


def _without_emphasis(text: str) -> str:
    """Return a text without pairs of emphasis marks; a mark without a partner is an ordinary character."""
    opened: dict[str, list[list[int]]] = {"*": [], "_": [], "~": []}
    gone: set[int] = set()
    for found in _MARK.finditer(text):
        mark, start, end = found[0][0], found.start(), found.end()
        if mark == "\\":
            continue
        before, after = text[start - 1 : start] if start else " ", text[end : end + 1] or " "
        is_word = mark == "_"
        closes = not before.isspace() and not (is_word and after.isalnum())
        opens = not after.isspace() and not (is_word and before.isalnum())
        stack = opened[mark]
        while closes and start < end and stack:
            begin, stop = stack[-1]
            length = min(stop - begin, end - start)
            gone.update(range(stop - length, stop), range(start, start + length))
            start += length
            stack[-1][1] = stop - length
            if stack[-1][1] == begin:
                stack.pop()
        if opens and start < end:
            stack.append([start, end])
    return "".join(letter for place, letter in enumerate(text) if place not in gone) if gone else text
