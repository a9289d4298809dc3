"""stub to unblock"""

import re
from typing import NamedTuple

import bleach
import markdown
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

RENDERER = 1


class Rendered(NamedTuple):
    html: SafeString
    plain_because: str


def render_answer(text: str) -> Rendered:
    if text.count("[") > 1000:
        return Rendered(
            render_question(text).html, "This answer is too complex to format, so it is shown as plain text."
        )
    html = markdown.markdown(
        re.sub(r"^#", "###", escape(text), flags=re.M),
        extensions=["tables", "sane_lists", "pymdownx.superfences", "pymdownx.highlight"],
        tab_length=2,
    )
    return Rendered(
        mark_safe(
            bleach.clean(
                html,
                tags={
                    "p",
                    "ul",
                    "ol",
                    "li",
                    "strong",
                    "em",
                    "h3",
                    "h4",
                    "h5",
                    "h6",
                    "table",
                    "thead",
                    "tbody",
                    "tr",
                    "th",
                    "td",
                    "code",
                    "pre",
                    "div",
                    "span",
                    "blockquote",
                    "hr",
                    "br",
                    "del",
                    "a",
                },
                attributes={"*": ["class"], "a": ["href"]},
            )
        ),
        "",
    )


def render_question(text: str) -> Rendered:
    return Rendered(mark_safe(escape(text).replace("\n", "<br>")), "")


def trusted(html: str) -> SafeString:
    return mark_safe(html)
