"""Compare our rendering with GitHub's own renderer, by hand: `python -m tests.gfm_comparison 20000`.

Documents are generated as models write them: lists of all kinds (tight, loose, mixed; nested by two, three or four
columns), tables, fences, quotes, headings and paragraphs, within each other and with or without blank lines between.
Compared is what a reader sees of the structure: blocks, items, cells with their alignment, code, bold, links, lines.

Left out of the comparison are the deliberate differences: our own heading levels, the host behind a link, single line
ends (GitHub is asked for lines, too), and documents in which GitHub sees code in four spaces. Tables are generated
with rows of equal length that no text follows.
"""

import random
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from typing import NamedTuple

import cmarkgfm
from cmarkgfm.cmark import Options

from conversations.rendering import render_answer

_HEADINGS = {f"h{level}" for level in range(1, 7)}
# Wrappers that carry no structure.
_IGNORED = {"div", "thead", "tbody", "html", "body", "section"}
_VOID = {"br", "hr", "input", "img"}
_BLOCKS = {"p", "li", "ul", "ol", "blockquote", "table", "tr", "th", "td", "pre", "h", "hr", "br"}
_WORDS = ["revenue", "orders", "grew", "in", "the", "north", "region", "by", "12%", "and", "fell", "to", "$3,400"]
_WORDS += ["last", "week", "for", "new", "customers", "of", "EMEA"]
_SQL = ["SELECT count(*), sum(*)", "  FROM orders", "", "- not a list", "# no heading", "WHERE a = '*'", "| a | b |"]


class Comparison(NamedTuple):
    documents: int
    deliberate: int
    different: list[str]

    @property
    def share(self) -> float:
        return len(self.different) / self.documents


class _Structure(HTMLParser):
    """The visible structure of a page: tags, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._hidden = 0
        self._pre = False
        # A check box waiting for the text behind it: in a loose item, GitHub writes the box before the paragraph.
        self._box = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if self._box and tag != "p" and tag not in _HEADINGS:
            box, self._box = self._box, ""
            self._text(f"{box} ")
        if tag == "span":
            self._hidden += self._hidden > 0 or attributes.get("class") == "link-host"
        elif tag == "input":
            self._box = "☑" if "checked" in attributes else "☐"
        elif tag not in _IGNORED and not (self._pre and tag == "code"):
            name = "h" if tag in _HEADINGS else tag
            side = attributes.get("align") or (attributes.get("class") or "").removeprefix("align-")
            of_tag = {"ol": attributes.get("start") or "", "th": side, "td": side, "a": attributes.get("href") or ""}
            self.found.append(f"<{name} {of_tag.get(tag, '')}".strip() + ">")
            self._pre = self._pre or tag == "pre"

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self._hidden -= self._hidden > 0
        elif tag not in _IGNORED | _VOID and not (self._pre and tag == "code"):
            self._pre = self._pre and tag != "pre"
            self.found.append("</h>" if tag in _HEADINGS else f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text(data)

    def _text(self, data: str) -> None:
        if self._box and data.strip():
            data, self._box = f"{self._box} {data.lstrip()}", ""
        if self.found and not self.found[-1].startswith("<"):
            data = self.found.pop()[1:] + data
        self.found.append("=" + data)

    @property
    def seen(self) -> list[str]:
        """Return texts with white space as it shows: none at the edge of a block, but unchanged in code."""
        out: list[str] = []
        in_pre = False
        for place, piece in enumerate(self.found):
            if piece.startswith("<"):
                in_pre = piece == "<pre>" or (in_pre and piece != "</pre>")
                out.append(piece)
                continue
            text = piece[1:].rstrip("\n") if in_pre else re.sub(r"\s+", " ", piece[1:])
            before = self.found[place - 1] if place else "<p>"
            after = self.found[place + 1] if place + 1 < len(self.found) else "<p>"
            if not in_pre:
                text = text.lstrip() if _is_block(before) else text
                text = text.rstrip() if _is_block(after) else text
            if out[-1:] == ["<li>"] or out[-2:] in (["<li>", "<p>"], ["<li>", "<h>"]):
                # GitHub's renderer overlooks a check box behind another mark on the same line.
                text = text.replace("[ ] ", "☐ ", 1) if text.startswith("[ ] ") else text
                text = text.replace("[x] ", "☑ ", 1) if text.startswith("[x] ") else text
            if text:
                out.append("=" + text)
        return out


def _is_block(tag: str) -> bool:
    return re.sub(r"[</>]| .*", "", tag) in _BLOCKS


def ours(text: str) -> list[str]:
    return _Structure(render_answer(text).html).seen


def gfm(text: str) -> list[str]:
    return _Structure(_gfm_html(text)).seen


def _gfm_html(text: str) -> str:
    return str(cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_HARDBREAKS))


def compare(count: int, seed: int = 0) -> Comparison:
    deliberate, different = 0, []
    chance = random.Random(seed)  # noqa: S311
    for _ in range(count):
        text = Document(chance).text()
        if ours(text) == gfm(text):
            continue
        if _is_deliberate(text):
            deliberate += 1
        else:
            different.append(text)
    return Comparison(count, deliberate, different)


def _is_deliberate(text: str) -> bool:
    """Tell whether GitHub sees code in four spaces: generated fences name a language."""
    return "<pre><code>" in _gfm_html(text)


class Document:
    """A text as a model might write it, with the carelessness that models have."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._is_tight = chance.random() < 0.4
        self._is_loose = not self._is_tight and chance.random() < 0.4

    def text(self) -> str:
        return "\n".join(self._blocks(self._chance.randint(2, 6), depth=0)) + self._chance.choice(["", "\n"])

    def _blocks(self, count: int, depth: int) -> list[str]:
        kinds: list[tuple[Callable[[], list[str]], int]] = [
            (self._paragraph, 5), (partial(self._list, depth), 6 if depth < 3 else 0), (self._table, 2),
            (partial(self._quote, depth), 2 if depth < 2 else 0), (self._fence, 2), (self._heading, 2),
            (self._rule, 1 if depth == 0 else 0),
        ]  # fmt: skip
        lines: list[str] = []
        for place in range(count):
            ((make, _),) = self._chance.choices(kinds, [weight for _, weight in kinds])
            block = make()
            if place and self._separates(lines[-1], block[0]):
                lines.append("")
            lines += block
        return lines

    def _separates(self, last: str, following: str) -> bool:
        if "|" in last and not re.match(r" *(?:[-*+] |\d+[.)] |#|>|```|~~~)", following):
            return True  # text in a table, and rows of another number of cells, are deliberate differences
        if self._is_tight:
            return self._chance.random() < 0.2
        return self._is_loose or self._chance.random() < 0.6

    def _line(self) -> str:
        words = self._chance.choices(_WORDS, k=self._chance.randint(1, 7))
        if self._chance.random() < 0.4:
            place = self._chance.randrange(len(words))
            words[place] = self._chance.choice([
                "**{}**", "*{}*", "`{}`", "`a|b` {}", "**{}:**", "[{}](https://a.example/x)", "~~{}~~", "_{}_",
                "https://a.example/{}", "***{}***", "snake_{}_case", "5*{}", "`*{}`", "**`{}`**", "\\*{}\\*", "{}\\",
            ]).format(words[place].strip("%$"))  # fmt: skip
        return " ".join(words)

    def _paragraph(self) -> list[str]:
        return [self._line() for _ in range(self._chance.choice([1, 1, 1, 2, 3]))]

    def _heading(self) -> list[str]:
        if self._chance.random() < 0.1:
            return [self._line(), self._chance.choice(["===", "---"])]
        return ["#" * self._chance.randint(1, 4) + " " + self._line() + self._chance.choice(["", "", " ##"])]

    def _rule(self) -> list[str]:
        return [self._chance.choice(["---", "***", "- - -"])]

    def _fence(self) -> list[str]:
        mark = self._chance.choice(["```", "```", "~~~", "````"])
        inside = self._chance.sample(_SQL, self._chance.randint(0, 4))
        return [mark + "sql", *inside, mark]

    def _table(self) -> list[str]:
        columns = self._chance.randint(1, 4)
        sides = self._chance.choices(["---", ":--", "--:", ":-:"], k=columns)
        rows = [[self._cell() for _ in range(columns)] for _ in range(self._chance.randint(2, 5))]
        lines = [rows[0], sides, *rows[1:]]
        if columns > 1 and self._chance.random() < 0.15:
            return [" | ".join(line) for line in lines]
        return ["| " + " | ".join(line) + " |" for line in lines]

    def _cell(self) -> str:
        special = ["**{}**", "`{}`", "a \\| {}", "`{} \\|\\| b`", "[{}](https://a.example)", "", "- {}", "1. {}"]
        word = self._chance.choice(_WORDS)
        return self._chance.choice(special).format(word) if self._chance.random() < 0.3 else word

    def _quote(self, depth: int) -> list[str]:
        inside = self._blocks(self._chance.randint(1, 3), depth + 1)
        lines = [f"> {line}".rstrip() for line in inside]
        if self._chance.random() < 0.15:
            lines.append(self._line())  # lazily
        return lines

    def _list(self, depth: int) -> list[str]:
        is_numbered = self._chance.random() < 0.5
        sign = self._chance.choice([".", ".", ".", ")"] if is_numbered else ["-", "-", "*", "+"])
        number = self._chance.choice([1, 1, 1, 1, 2, 9, 10])
        is_loose = self._is_loose or (not self._is_tight and self._chance.random() < 0.4)
        gap = self._chance.choice([1, 1, 1, 1, 2, 3])
        lines: list[str] = []
        for place in range(self._chance.randint(1, 4)):
            if place and (self._chance.random() < 0.8 if is_loose else self._chance.random() < 0.05):
                lines.append("")
            marker = f"{number + place}{sign}" if is_numbered else sign
            lines += self._item(marker, gap, depth)
        return lines

    def _item(self, marker: str, gap: int, depth: int) -> list[str]:
        width = len(marker) + gap
        if self._chance.random() < 0.12:
            # Indent by a few columns too many or too few, as models do.
            width = max(0, width + self._chance.choice([-2, -1, 1, 2]))
        head = self._chance.choice(["", "", "", "", "[ ] ", "[x] "]) + self._line()
        inside = [head]
        if self._chance.random() < 0.1:
            inside = self._blocks(1, depth + 1)  # a fence, a table, another list on the item's own line
        if self._chance.random() < 0.5:
            block = self._blocks(self._chance.randint(1, 2), depth + 1)
            if self._separates(inside[-1], block[0]):
                inside.append("")
            inside += block
        if self._chance.random() < 0.04:
            inside = [""]
        first, *rest = inside
        return [f"{marker}{' ' * gap}{first}".rstrip(), *((" " * width + line).rstrip() for line in rest)]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    began = time.monotonic()
    found = compare(count)
    for text in found.different[:3]:
        print(f"{text}\n--- ours\n{''.join(ours(text))}\n--- GitHub\n{''.join(gfm(text))}\n======")  # noqa: T201
    print(  # noqa: T201
        f"{found.documents} documents: {len(found.different)} differ ({found.share:.2%}), "
        f"{found.deliberate} by a deliberate difference; {time.monotonic() - began:.0f} s."
    )


if __name__ == "__main__":
    main()
