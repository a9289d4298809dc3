"""Markdown as language models write it, laid out as Python-Markdown reads it.

Python-Markdown keeps to the first Markdown: a list or table needs a blank line before it, a nested list four spaces.
Models write what CommonMark takes: no blank lines, two or three spaces, fences inside lists. So the lines are laid out
anew, once, before parsing (https://python-markdown.github.io/#differences). No word is lost or added.

Fenced code is taken out here, to the end of the text where an answer was cut off. Indented code is not code: with lists
indented by two to four spaces it would mostly be a list that was meant.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from conversations.clock import Clock
from conversations.rendering import links

# Levels. Deeper ones are shown at this one; the parser recurses into each.
DEEPEST_LIST = 8
DEEPEST_QUOTE = 5
_TAB = 4
# Markdown's own marks for what it puts aside. A text that has them gets pictures of them.
STX, ETX = "\u0002", "\u0003"
_PICTURES = {ord(STX): "\u2402", ord(ETX): "\u2403"}

_FENCE = re.compile(r"(?P<mark>`{3,}(?=[^`]*$)|~{3,}) *(?P<language>[\w+#.-]*).*")
_RULE = re.compile(r"([-*_])(?: *\1){2,} *")
_ITEM = re.compile(r"(?P<marker>[-*+]|\d{1,9}[.)])(?P<gap> +|$)(?P<text>.*)")
_TASK = re.compile(r"\[(?P<state>[ xX])\] +(?=\S)")
_HEADING = re.compile(r"#{1,6}(?= |$)")
_DELIMITERS = re.compile(r"\|? *:?-+:? *(?:\| *:?-+:? *)*\|?")
_DEFINITION = re.compile(
    r" {0,3}\[(?P<name>[^\[\]]{1,200})\]: *<?(?P<href>[^\s<>]+)>?(?: +(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))? *"
)
_REFERENCE = re.compile(r"\[([^\[\]]{1,200})\]")


@dataclass
class Code:
    source: str
    language: str


@dataclass
class Laid:
    """Lines for Python-Markdown, in which `STX code:N ETX` stands for the N-th code block."""

    lines: list[str] = field(default_factory=list)
    code: list[Code] = field(default_factory=list)
    references: dict[str, str] = field(default_factory=dict)


def with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def lay_out(text: str, clock: Clock) -> Laid:
    text = with_newlines(text).translate(_PICTURES).expandtabs(_TAB)
    laid = Laid()
    lines = _without_definitions(text.split("\n"), text, laid)
    laid.lines = _Page(laid, clock).lay(lines, DEEPEST_QUOTE)
    while laid.lines and not laid.lines[-1]:
        laid.lines.pop()
    return laid


def _without_definitions(lines: list[str], text: str, laid: Laid) -> list[str]:
    """Takes out `[1]: https://...` where `[1]` is used and the address may be linked; what is left is shown as text."""
    if "]: " not in text:
        return lines
    uses = Counter(name.lower() for name in _REFERENCE.findall(text))
    kept = []
    for line in lines:
        found = _DEFINITION.fullmatch(line) if "]:" in line else None
        if found and uses[found["name"].lower()] > 1 and links.destination(found["href"]):
            laid.references.setdefault(found["name"].strip().lower(), found["href"])
        else:
            kept.append(line)
    return kept


@dataclass
class _Level:
    """A list that is open: the column of its latest marker, and of the text after it."""

    marker: int
    text: int
    is_numbered: bool


class _Page:
    """Lays out the lines of a text, or of one quote in it."""

    def __init__(self, laid: Laid, clock: Clock) -> None:
        self._laid, self._clock = laid, clock
        self._out: list[str] = []
        self._levels: list[_Level] = []
        self._in_table = False

    def lay(self, lines: list[str], quotes_left: int) -> list[str]:
        place = 0
        while place < len(lines):
            self._clock.tick()
            line = lines[place]
            text = line.lstrip(" ")
            indent = len(line) - len(text)
            if not text.strip():
                self._break()
                place += 1
            elif fence := _FENCE.fullmatch(text):
                place = self._code(lines, place, indent, fence)
            elif text.startswith(">"):
                place = self._quote(lines, place, indent, quotes_left)
            else:
                self._line(text, indent, lines[place + 1] if place + 1 < len(lines) else "")
                place += 1
        return self._out

    def _line(self, text: str, indent: int, following: str) -> None:
        is_rule = _RULE.fullmatch(text) is not None
        item = None if is_rule else _ITEM.fullmatch(text)
        if item and self._item(item, indent):
            return
        if self._in_table and "|" in text:
            self._add(text)
        elif _HEADING.match(text) and (indent == 0 or self._levels):
            self._alone(_heading(text), indent)
        elif "|" in text and "|" in following and _DELIMITERS.fullmatch(following.strip(" ")):
            self._close(indent)
            self._break()
            self._add(text)
            self._in_table = True
        elif is_rule and (text[0] != "-" or not self._after_text() or self._levels):
            self._alone(text, indent)
        else:
            self._text(text, indent)

    def _text(self, text: str, indent: int) -> None:
        if self._in_table:
            self._break()
        if not self._after_text():
            self._close(indent)
        self._add(f"\\{text}" if text.startswith("#") else text)

    def _item(self, item: re.Match[str], indent: int) -> bool:
        """Add a list item, unless what looks like one goes on with a sentence: "... in\n2024. Then". As CommonMark."""
        number = item["marker"][:-1]
        if not self._levels and self._after_text() and not (item["text"] and number in ("", "1")):
            return False
        while self._levels and indent < self._levels[-1].marker:
            self._levels.pop()
        level = _Level(indent, indent + len(item["marker"]) + 1, is_numbered=bool(number))
        if self._levels and indent < min(self._levels[-1].marker + 2, self._levels[-1].text):
            if self._levels.pop().is_numbered != level.is_numbered:
                self._break()
        elif not self._levels or self._in_table:
            self._break()
        self._levels.append(level)
        marker = f"{number}." if number else "-"
        text = _TASK.sub(lambda task: "☐ " if task["state"] == " " else "☑ ", item["text"], count=1)
        self._in_table = False
        self._out.append(
            " " * _TAB * (self._depth() - 1) + f"{marker} {_heading(text) if _HEADING.match(text) else text}"
        )
        return True

    def _code(self, lines: list[str], place: int, indent: int, fence: re.Match[str]) -> int:
        """Take a fenced block, and answer where the text goes on."""
        mark = fence["mark"]
        closing = re.compile(rf" {{0,{indent + 3}}}{mark[0]}{{{len(mark)},}} *")
        end = place + 1
        while end < len(lines) and not closing.fullmatch(lines[end]):
            end += 1
        source = "\n".join(line[min(indent, len(line) - len(line.lstrip(" "))) :] for line in lines[place + 1 : end])
        self._laid.code.append(Code(source, fence["language"]))
        self._alone(f"{STX}code:{len(self._laid.code) - 1}{ETX}", indent)
        return end + 1

    def _quote(self, lines: list[str], place: int, indent: int, quotes_left: int) -> int:
        """Lay out the inside of a quote by itself, and answer where the text goes on."""
        inside = []
        while place < len(lines) and lines[place].lstrip(" ").startswith(">"):
            text = lines[place].lstrip(" ")
            # Below the deepest quote that is shown, all marks are taken off at once.
            inside.append(text[1:].removeprefix(" ") if quotes_left else text.lstrip("> "))
            place += 1
        self._close(indent)
        self._break()
        if quotes_left:
            self._out += (
                self._margin() + f"> {line}".rstrip(" ")
                for line in _Page(self._laid, self._clock).lay(inside, quotes_left - 1)
            )
        else:
            self._out += (self._margin() + line for line in _Page(self._laid, self._clock).lay(inside, 0))
        self._break()
        return place

    def _alone(self, text: str, indent: int) -> None:
        """A line that is a block of its own."""
        self._close(indent)
        self._break()
        self._add(text)
        self._break()

    def _close(self, indent: int) -> None:
        """Close the lists that a line at this column is not in. Models often indent by less than they should."""
        while self._levels and indent < min(self._levels[-1].marker + 2, self._levels[-1].text):
            self._levels.pop()

    def _break(self) -> None:
        self._in_table = False
        if self._after_text():
            self._out.append("")

    def _after_text(self) -> bool:
        return bool(self._out and self._out[-1])

    def _depth(self) -> int:
        return min(len(self._levels), DEEPEST_LIST)

    def _margin(self) -> str:
        return " " * _TAB * self._depth()

    def _add(self, text: str) -> None:
        self._out.append(self._margin() + text)


def _heading(text: str) -> str:
    """Python-Markdown takes all closing `#` for decoration, also that of "C#"."""
    bare = text.rstrip(" ")
    return f"{bare[:-1]}\\#" if re.search(r"[^#\s\\]#$", bare) else text
