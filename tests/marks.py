"""Marks that follow from what a test uses: `browser` where it opens pages, `programs` where it starts a process.

A test of a kind is left out of the short run without anybody having to remember a decorator.
"""

from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest


def mark_by_use(item: pytest.Function) -> None:
    """Mark a test for the kinds of things that it, its fixtures and the tests' functions below them start."""
    if "chromium" in item.fixturenames:
        item.add_marker("browser")
    if _starts_processes(item):
        item.add_marker("programs")


def _starts_processes(item: pytest.Function) -> bool:
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    waiting: list[Any] = [item.function, *(fixture.func for fixtures_ in fixtures for fixture in fixtures_)]
    seen: set[int] = set()
    while waiting:
        function = _function(waiting.pop())
        if function is None or id(function) in seen:
            continue
        seen.add(id(function))
        for name in _names(function.__code__):
            used = function.__globals__.get(name)
            if getattr(used, "__name__", "") == "subprocess":
                return True
            waiting += _functions(used)
    return False


def _function(used: Callable[..., Any]) -> FunctionType | None:
    """Return the function of the tests behind decorators."""
    while hasattr(used, "__wrapped__"):
        used = used.__wrapped__
    is_ours = isinstance(used, FunctionType) and used.__module__.startswith("tests.")
    return used if isinstance(used, FunctionType) and is_ours else None


def _functions(used: object) -> Iterator[Any]:
    if isinstance(used, type) and used.__module__.startswith("tests."):
        yield from vars(used).values()
    elif callable(used):
        yield used


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
