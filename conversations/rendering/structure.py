"""Markdown as language models write it, put into the form that Python-Markdown reads.

Python-Markdown follows the first Markdown: a list or table needs a blank line before it, and a nested list four spaces.
Models write CommonMark, with two or three spaces and no blank lines.
https://python-markdown.github.io/#differences
"""

import re
from dataclasses import dataclass, field

# What code may say it is, and the Pygments lexer for it. Few, so that no lexer's worst case is a stranger's to choose.
LANGUAGES = {
    "bash": "bash", "sh": "bash", "shell": "bash", "console": "bash", "css": "css", "csv": "text", "diff": "diff",
    "html": "html", "ini": "ini", "toml": "ini", "javascript": "javascript", "js": "javascript", "json": "json",
    "markdown": "text", "md": "text", "python": "python", "py": "python", "r": "r", "sql": "sql", "postgresql": "sql",
    "mysql": "sql", "bigquery": "sql", "snowflake": "sql", "text": "text", "typescript": "typescript",
    "ts": "typescript", "xml": "xml", "yaml": "yaml", "yml": "yaml", "lookml": "yaml",
}  # fmt: skip
# Longer code is shown without colours.
_LONGEST_COLOURED = 20_000
_TAB = 4
_DEEPEST_LIST = 12
_ITEM = re.compile(r"( *)([-*+]|\d{1,9}[.)])( +|$)(.*)")
_RULE = re.compile(r" {0,3}([-*_])( *\1){2,} *$")
_FENCE = re.compile(r"( *)(`{3,}|~{3,})\s*([^\s`{]*)([^`]*)$")
_TABLE_RULE = re.compile(r" *\|? *:?-+:? *(\| *:?-+:? *)*\|? *$")


@dataclass
class _Normalizer:
    out: list[str] = field(default_factory=list)
    # The open lists, outermost first: the indent at which their markers stand, and whether they are numbered.
    lists: list[tuple[int, bool]] = field(default_factory=list)

    # Whether the line before belongs to a further paragraph of a list's item.
    in_paragraph: bool = False

    @property
    def _after_text(self) -> bool:
        return bool(self.out and self.out[-1].strip())

    def _add(self, line: str) -> None:
        self.out.append(" " * _TAB * len(self.lists) + line)

    def _leave(self, indent: int) -> bool | None:
        """Close the lists that a line at this indent is not inside of. Whether the last one closed was numbered."""
        was_numbered = None
        while self.lists and indent < self.lists[-1][0] + 2:
            was_numbered = self.lists.pop()[1]
        return was_numbered

    def item(self, indent: int, marker: str, text: str) -> None:
        in_list, numbered = bool(self.lists), marker[0].isdigit()
        sibling_numbered = self._leave(indent)
        # CommonMark: a list interrupts a paragraph only with an item that is not empty and, if numbered, the first.
        if not in_list and self._after_text and not (text and (not numbered or marker[:-1] == "1")):
            self._add(f"{marker} {text}")
            return
        other_list = not in_list or sibling_numbered not in (None, numbered)
        if self._after_text and (other_list or self.in_paragraph):
            self.out.append("")
        self.in_paragraph = False
        del self.lists[_DEEPEST_LIST:]
        self._add(f"{marker.replace(')', '.')} {text}")
        self.lists.append((indent, numbered))

    def text(self, line: str, *, starts_table: bool) -> None:
        indent = len(line) - len(line.lstrip(" "))
        lazy = self._after_text and self.lists and indent < self.lists[-1][0] + 2
        if not lazy:
            self._leave(indent)
        self.in_paragraph = bool(self.lists) and (self.in_paragraph or not self._after_text)
        if starts_table and self._after_text:
            self.out.append("")
        # Outside lists an indent means what it always did.
        self._add(line.lstrip(" ") if self.lists else line)

    def code(self, indent: int, language: str, body: list[str]) -> None:
        self._leave(indent)
        coloured = LANGUAGES.get(language.lower(), "text") if sum(map(len, body)) <= _LONGEST_COLOURED else "text"
        # A fence of its own, longer than any in the code.
        fence = "`" * max([3, *(len(run) + 1 for line in body for run in re.findall("`{3,}", line))])
        if self._after_text and not self.lists:
            self.out.append("")
        self._add(f"{fence}{coloured}")
        for line in body:
            self._add(line[min(indent, len(line) - len(line.lstrip(" "))) :])
        self._add(fence)
        if not self.lists:
            self.out.append("")


def normalize(text: str) -> str:
    """The same text with blank lines and indents where Python-Markdown needs them. Loses no character but spaces."""
    made = _Normalizer()
    lines = text.expandtabs(_TAB).split("\n")
    place = 0
    while place < len(lines):
        line = lines[place].rstrip()
        fence, item = _FENCE.fullmatch(line), _ITEM.fullmatch(line)
        if fence:
            place = _code(made, fence, lines, place)
        elif not line:
            made.out.append("")
        elif item and not _RULE.match(line):
            made.item(len(item[1]), item[2], item[4])
        else:
            following = lines[place + 1] if place + 1 < len(lines) else ""
            starts_table = "|" in line and "|" in following and bool(_TABLE_RULE.match(following))
            # Two spaces at the end are a line break.
            made.text(line + ("  " if lines[place].endswith("  ") else ""), starts_table=starts_table)
        place += 1
    return "\n".join(made.out)


def _code(made: _Normalizer, fence: re.Match[str], lines: list[str], place: int) -> int:
    """Take a fenced block, to its end or, where an answer was cut off, to the end of the text."""
    indent, mark, language = fence[1], fence[2], fence[3]
    closing = re.compile(rf" *{re.escape(mark[0])}{{{len(mark)},}} *$")
    end = next((n for n in range(place + 1, len(lines)) if closing.match(lines[n])), len(lines))
    made.code(len(indent), language, lines[place + 1 : end])
    return end
