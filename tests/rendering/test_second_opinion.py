"""nh3 removes nothing that bleach lets through, in the corpus with all its frames and in generated texts.

The suite runs a sample; `python -m tests.second_opinion` runs all.
"""

import pytest

from conversations.rendering import render_answer
from tests import second_opinion
from tests.hostile import TEXTS
from tests.rendering.test_rendering import assert_is_safe, assert_nh3_agrees
from tests.second_opinion import assert_nothing_left

FRAMES = [
    "{}",
    "- {}\n  - {}",
    "> > {}",
    "**a {}** _{}_",
    "| {} | b |\n|:-:|--:|\n| {} | `{}` |",
    "## {}",
    "1. a\n\n   {}",
]
FRAMES += [
    "[{}](https://a.example)",
    "[a](https://a.example/{})",
    "```html\n{}\n```",
    "a\n\n{}\n---\n{}",
    "`{}`",
    "![{}](https://a.example)",
]


@pytest.mark.parametrize("frame", FRAMES)
def test_of_the_corpus(frame: str) -> None:
    for text in TEXTS:
        made = render_answer(frame.replace("{}", text)).html
        assert_is_safe(made)
        assert_nh3_agrees(made)


def test_of_raw_html() -> None:
    for text in TEXTS:
        assert_nothing_left(text)
        assert_nothing_left(f"<div class=code>{text}</div>")


@pytest.mark.slow
def test_of_generated_markdown() -> None:
    second_opinion.of_markdown(2_000)


def test_of_generated_html() -> None:
    second_opinion.of_html(500)
