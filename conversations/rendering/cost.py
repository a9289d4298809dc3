"""What an answer may cost to format. Python-Markdown is quadratic in the marks of one run of text.

For each mark it finds, it builds the run anew: the time grows with the marks of a run times the run's length. Measured,
on two cores: 4,000 `[` in a row take 1.5 s, 20,000 take 36 s. So that product is what is bounded, with brackets counted
twice; tests/benchmark_rendering.py searches for shapes that cost more than this lets through.
"""

import re
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions.tables import TableProcessor

# Characters, and lines. A long answer of Omni's has some thousands, and some hundreds.
LONGEST = 60_000
MOST_LINES = 4_000
_MOST_WORK = 16_000_000
_DEEPEST_QUOTE = 20

TOO_LONG = "This answer is too long to be formatted, so it is shown as plain text."
TOO_INTRICATE = "This answer is too intricate to be formatted, so it is shown as plain text."

# Only to ask Python-Markdown itself what it takes for a table.
_PARSER, _ROOT = Markdown().parser, Element("div")
_FENCED = re.compile(r"^ *(`{3,})[a-z]*\n.*?^ *\1$", re.MULTILINE | re.DOTALL)
_ITEM = re.compile(r" *([-*+]|\d+\.) ")
_ITEMS = re.compile(r"\n(?= *(?:[-*+]|\d+\.) )")
_MARKS = re.compile(r"[\[\]<`*_~!&\\(]")


def objection_to_length(text: str) -> str:
    """Why a text is not even looked at, in a sentence for the reader; "" where it is."""
    return TOO_LONG if len(text) > LONGEST or text.count("\n") > MOST_LINES else ""


def objection_to_shape(normalized: str) -> str:
    """Why a text, as `structure.normalize` left it, is not formatted; "" where it may be."""
    prose = _FENCED.sub("", normalized)
    tables = TableProcessor(_PARSER, {"use_align_attribute": False})
    work = sum(_work(run) for block in re.split(r"\n[ \t]*\n", prose) for run in _runs(block.strip("\n"), tables))
    if work > _MOST_WORK or re.search(rf"^[ >]*(> ?){{{_DEEPEST_QUOTE}}}", prose, re.MULTILINE):
        return TOO_INTRICATE
    return ""


def _runs(block: str, tables: TableProcessor) -> list[str]:
    """The pieces of a block that Python-Markdown looks for marks in one by one: a table's rows, a list's items."""
    if tables.test(_ROOT, block):
        return block.split("\n")
    return _ITEMS.split(block) if _ITEM.match(block) else [block]


def _work(run: str) -> int:
    return len(run) * (len(_MARKS.findall(run)) + run.count("["))
