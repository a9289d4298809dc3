"""bleach gets no more releases, so nh3, with the same allow-list, has to find nothing left in it.

Of generated texts: Markdown, and raw HTML as if the first wall were not there. By hand, all of them:
`python -m tests.second_opinion`.
"""

import time
from typing import Any

import nh3
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from conversations.rendering import allowlist, render_answer
from tests.hostile import TEXTS
from tests.rendering.test_rendering import ALLOWED, Tokens, assert_nh3_agrees

TAGS = [
    "script",
    "style",
    "svg",
    "math",
    "img",
    "a",
    "p",
    "table",
    "td",
    "tr",
    "noscript",
    "template",
    "textarea",
    "title",
]
TAGS += [
    "select",
    "option",
    "iframe",
    "form",
    "input",
    "mglyph",
    "mtext",
    "annotation-xml",
    "foreignObject",
    "desc",
    "xmp",
]
TAGS += [
    "plaintext",
    "div",
    "span",
    "ol",
    "li",
    "pre",
    "code",
    "br",
    "hr",
    "h3",
    "body",
    "html",
    "base",
    "frameset",
    "th",
]
NAMES = [
    "onclick",
    "onerror",
    "href",
    "src",
    "style",
    "class",
    "id",
    "name",
    "title",
    "rel",
    "start",
    "tabindex",
    "role",
    "xlink:href",
]
VALUES = [
    "javascript:x",
    "https://a.example/",
    "code",
    "hidden-character",
    'x"y',
    "x'y",
    "x>y",
    "1",
    "</style>",
    "<!--",
    "a b",
    "&#34;",
    "U+202E X",
    "k",
]
MARKS = [
    "*",
    "**",
    "_",
    "`",
    "```\n",
    "~~",
    "[",
    "](",
    "](https://a.example)",
    ")",
    "![",
    "\n",
    "\n\n",
    "\n- ",
    "\n1. ",
    "\n> ",
    "\n# ",
    "\n|a|b|\n|-|-|\n|",
    "|",
]
MARKS += [
    "\n[x]: https://a.example\n",
    "[x]",
    "<https://a.example>",
    "https://a.example/x",
    "<a@b.example>",
    "\\",
    "&",
    "&lt;",
    "&#x3c;",
    "&amp;lt;",
    "    ",
    "\t",
]
ODDS = [
    "<!--",
    "-->",
    "--!>",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!",
    "</",
    "/>",
    "<",
    ">",
    '"',
    "'",
    "=",
    "\x00",
    "\x02",
    "\x03",
    "\u202e",
    "\u200b",
    "\x0c",
    "\ufeff",
    "\ud800",
    "K",
    "x",
    " ",
]

attributes = st.builds(
    lambda name, quote, value: f" {name}={quote}{value}{quote}",
    st.sampled_from(NAMES),
    st.sampled_from(("", '"', "'", "`")),
    st.sampled_from(VALUES),
)
opening = st.builds(
    lambda tag, given, end: f"<{tag}{''.join(given)}{end}",
    st.sampled_from(TAGS),
    st.lists(attributes, max_size=2),
    st.sampled_from((">", "/>", " >", "\n>", "")),
)
closing = st.sampled_from([f"</{tag}>" for tag in TAGS])
html = st.lists(opening | closing | st.sampled_from(ODDS), min_size=1, max_size=12).map("".join)
markdown = st.lists(
    st.sampled_from(MARKS) | opening | closing | st.sampled_from(ODDS) | st.sampled_from(TEXTS), min_size=1, max_size=12
).map("".join)
# Without shrinking: generated texts are short enough to read.
many: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


def assert_nothing_left(text: str) -> None:
    """Assert that nh3 keeps every element and letter of raw HTML that only our allow-list has cleaned.

    nh3 may nest them otherwise: bleach writes a link within a link, which no browser reads as one.
    """
    html = allowlist.clean(text.encode(errors="replace").decode().replace("\ufeff", ""))
    attributes = {tag: names for tag, names in ALLOWED.items() if names}
    schemes = {"http", "https", "mailto"}
    cleaned = nh3.clean(html, tags=set(ALLOWED), attributes=attributes, url_schemes=schemes, link_rel=None)
    if cleaned != html:
        before, after = Tokens(html), Tokens(cleaned)
        assert after.text == before.text
        assert {one for one in before.found if one[0] != "text"} <= {one for one in after.found if one[0] != "text"}


def of_markdown(count: int) -> None:
    @settings(max_examples=count, **many)
    @given(markdown)
    def check(text: str) -> None:
        assert_nh3_agrees(render_answer(text).html)

    check()


def of_html(count: int) -> None:
    @settings(max_examples=count, **many)
    @given(html)
    def check(text: str) -> None:
        assert_nothing_left(text)

    check()


if __name__ == "__main__":
    for name, check, count in (("Markdown", of_markdown, 20_000), ("HTML", of_html, 20_000)):
        began = time.monotonic()
        check(count)
        print(f"{name}: {count} texts in {time.monotonic() - began:.0f} s; nh3 removes nothing of any.")  # noqa: T201
