"""An answer's Markdown, made fit to be part of another document: a file or a ticket.

A fence, a comment or an element that the answer leaves open would take along what follows, and its first heading would
stand above the document's own. So fences are closed, raw HTML is made the text that it is on the page, and headings are
lowered; all else stays as Omni sent it.
"""

import re

from conversations.rendering import characters, links, parser
from conversations.rendering.code_spans import code_spans
from omniviewer.time_limit import LONGEST, Clock, TooCostly

_LOWEST = 6
# A tag, comment or declaration; but no address in angle brackets, and not `<br>`, which the page knows too.
_TAG = re.compile(
    rf"(?<!\\)(?<!\]\()(?:(?<=(?P<address>[^\s()]))<|<)(?=[A-Za-z/!?])(?!https?://|mailto:|br\s?/?>|{links.MAIL}>)",
    re.IGNORECASE,
)
_MARKS = re.compile(r" {0,3}#+")
_CLOSING = re.compile(r"(?:^| )#+ *$")
# Level of a heading that cannot be a line in bold.
_BOLD_LEVEL = 4


def self_contained(text: str, *, lowered_by: int | None) -> str:
    """Return Markdown that leaves nothing open, its headings lowered; if that costs too much, plain text in a fence.

    With None in place of a number of levels, each heading becomes a line in bold.
    """
    text = characters.with_newlines(text)
    if len(text) > LONGEST:
        return _fenced(text)
    try:
        outline = parser.outline(text, Clock())
    except TooCostly:
        return _fenced(text)
    lines: list[str | None] = [*text.split("\n")]
    for numbers in outline.texts:
        escaped = _without_tags("\n".join(str(lines[number - 1]) for number in numbers)).split("\n")
        for number, line in zip(numbers, escaped, strict=True):
            lines[number - 1] = line
    for numbers, level in outline.headings:
        # The last line of an underlined heading is not part of its title.
        title = " ".join(str(lines[number - 1]).strip(" ") for number in numbers[: max(1, len(numbers) - 1)])
        title = _MARKS.sub("", title, count=1).lstrip(" ")
        bold = _bold(title) if lowered_by is None else ""
        if bold:
            # A paragraph, unlike a heading, ends at an empty line alone.
            near = (lines[place] if 0 <= place < len(lines) else "" for place in (numbers[0] - 2, numbers[-1]))
            before, after = ("\n" if line else "" for line in near)
            lines[numbers[0] - 1] = f"{before}{bold}{after}"
        else:
            lines[numbers[0] - 1] = _heading(title, _BOLD_LEVEL if lowered_by is None else level + lowered_by)
        for number in numbers[1:]:
            lines[number - 1] = None
    lines.append(outline.open_fence or None)
    return "\n".join(line for line in lines if line is not None)


def _heading(title: str, level: int) -> str:
    return f"{'#' * min(level, _LOWEST)} {title}"


def _bold(title: str) -> str:
    """Return a title as a paragraph in bold; "" if it holds marks that might not pair any more."""
    title = _CLOSING.sub("", title).strip(" ")
    is_plain = title and "*" not in title and "`" not in title and not title.endswith("\\")
    return f"**{title}**" if is_plain else ""


def _without_tags(text: str) -> str:
    if "<" not in text:
        return text
    parts: list[str] = []
    place = 0
    for start, end in [*code_spans(text), (len(text), len(text))]:
        # An entity after an address, which would take a backslash along.
        plain = _TAG.sub(lambda found: "&lt;" if found["address"] else "\\<", text[place:start])
        parts += plain, text[start:end]
        place = end
    return "".join(parts)


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}\n{text}\n{mark}"
