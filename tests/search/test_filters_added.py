"""Filters that are added to a query, or replaced in it."""

import pytest

from conversations.search import syntax
from conversations.search.syntax import Filter


@pytest.mark.parametrize("typed", ["", "foo", '"foo', '"foo bar" baz', 'topic:"order items" "foo', "“foo", "-foo"])
@pytest.mark.parametrize(
    "added",
    [
        Filter("state", "failed"),
        Filter("topic", "=Order “items” and «more»"),
        Filter("topic", '=Say "it"'),
        Filter("owner", "Ann\N{NO-BREAK SPACE}Lee"),
    ],
)
def test_it_works(typed: str, added: Filter) -> None:
    before = syntax.read(typed)
    after = before.also(added)
    assert len(after.filters) == len(before.filters) + 1
    assert after.filters[-1].name == added.name
    assert (after.texts, after.filters[:-1]) == (before.texts, before.filters)
    assert str(after.filters[-1]) == str(added)


def test_negated_filters_stay() -> None:
    asked = syntax.read("-state:failed state:complete foo")
    assert asked.replaced("state", "running").filters == (
        Filter("state", "failed", is_negated=True),
        Filter("state", "running"),
    )
    assert asked.replaced("state", "").filters == (Filter("state", "failed", is_negated=True),)
