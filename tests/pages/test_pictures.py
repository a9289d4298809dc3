"""The README's pictures show the pages as they are."""

import itertools
import json
import struct

import pytest

from tests import pictures
from tests.demo_process import ROOT

MAX_BYTES = 250_000


def test_no_page_has_changed_since_its_picture_was_taken() -> None:
    assert json.loads(pictures.SKELETONS.read_text()) == pictures.skeletons(), "run: python -m tests.pictures"


@pytest.mark.parametrize(("name", "scheme"), list(itertools.product(pictures.PICTURES, pictures.SCHEMES)))
def test_each_picture_is_wide_small_and_in_the_readme(name: str, scheme: str) -> None:
    path = pictures.path_of(name, scheme)
    picture = path.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">I", picture[16:20]) == (pictures.WIDTH,)
    assert len(picture) < MAX_BYTES
    assert f".readme/{path.name}" in (ROOT / "README.md").read_text()


def test_every_room_of_the_pictured_pages_is_looked_at() -> None:
    rooms = {path.rpartition("/")[0] for path in pictures.skeletons()}
    assert {"", *(f"conversations/{room}" for room in ("list", "thread", "evidence", "insights", "shared"))} <= rooms


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ('<p class="a">Words</p>', '<p class="a">Other words</p>', True),
        ('<p class="a b">{{ x }}</p>', '<p class="b a" id="p">{% if y > 1 %}{{ y }}{% endif %}</p>', True),
        ('<p class="a">Words</p>', '<p class="b">Words</p>', False),
        ('<p class="a">Words</p>', '<div class="a">Words</div>', False),
        ("<ul><li></li></ul>", "<ul><li></li><li></li></ul>", False),
        ('<p class="a">Words</p>', '<p class="a{% if x %} is-x{% endif %}">Words</p>', False),
        ("{# <b>old</b> #}<p></p>", "<p></p>", True),
    ],
)
def test_a_skeleton_is_of_tags_and_classes_alone(before: str, after: str, is_same: bool) -> None:
    assert (pictures.skeleton(before) == pictures.skeleton(after)) is is_same
