"""Conversations that try what a viewer has to cope with. They belong to one person, and are months old."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from omniviewer.demo.stand_in.sample import hostile, tables
from omniviewer.demo.stand_in.sample.documents import LISTS, SCRIPTS
from omniviewer.demo.stand_in.sample.people import TORTURE_TESTS
from omniviewer.demo.stand_in.sample.special import Special

# About half a year.
_WORKING_DAYS = 121
_ON_AND_ON = "A name that goes on and on, because somebody pasted their whole question into it, "
_LONG_URL = "https://data.example.com/export?" + "&".join(f"column_{n}=value_{n}" for n in range(60))
# The answers before these in the longest thread name no job, as those that Omni wrote before it had any.
_TURNS_WITH_JOBS = 20


def torture_tests() -> Iterator[Special]:
    """Yield them, two a quarter of an hour, on one working day; the longest one on the day before."""
    for number, special in enumerate([*_markdown(), *_hostile(), *_unusual()]):
        clock = f"{9 + number // 4:02}:{number % 4 * 15:02}"
        yield replace(special, owner=TORTURE_TESTS, topic=None, working_days=_WORKING_DAYS, clock=clock)
    long = tuple(tables.investigation())
    yield Special(
        "A very long investigation of returns",
        long,
        owner=TORTURE_TESTS,
        topic=None,
        working_days=_WORKING_DAYS + 1,
        clock="08:00",
        pauses=(timedelta(minutes=2),) * (len(long) - 1),
        turns_without_job=len(long) - _TURNS_WITH_JOBS,
    )


def _markdown() -> Iterator[Special]:
    yield Special("Markdown from a language model: lists and quotes", (("Make me a plan for cleaner data", LISTS),))
    scripts = (("ما هي الإيرادات حسب المنطقة؟\n各地区的收入是多少？ 📊", SCRIPTS),)
    yield Special("إيرادات الربع الثالث 第三季度收入", scripts)


def _hostile() -> Iterator[Special]:
    yield Special("Pasted text from an untrusted page", (("What does the product description say?", hostile.HOSTILE),))
    yield Special("Pasted text: five thousand brackets", (("Repeat this for me: [[[[", hostile.BRACKETS),))
    yield Special(
        "Pasted text: links and quotes without end",
        (("Complete these links", hostile.OPEN_LINKS), ("And quote that", hostile.DEEP_QUOTES)),
        pauses=(timedelta(minutes=1),),
    )
    yield Special(hostile.NAME, ((hostile.QUESTION, "It does nothing: it is text."),))


def _unusual() -> Iterator[Special]:
    words = f"The identifier is {'supercalifragilistic' * 30} and the export is at {_LONG_URL} (also <{_LONG_URL}>)."
    yield Special("Long words " + "without_any_place_to_break_" * 6, (("W" * 400, words),))
    yield Special(
        None,
        (("Which stores opened in the last 90 days?", "Four: **Umeå**, **Gent**, **Porto** and **Cork**."),),
        actions=(tables.looked_up("New stores", tables.stores(), "stores.city", "order_items.total_sale_price"),),
        chart=True,
    )
    yield Special((_ON_AND_ON * 4)[:299] + "…", (("Short question", "Short answer."),))
    yield Special("An answer without words", (("Draw it, don't tell it", ""),))
    yield Special(
        "Answers from before there were jobs",
        (("How many customers do we have?", "There are **48,211** customers."),),
        kind="no job",
    )
    yield Special("An answer without a link to Omni", (("And how many suppliers?", "**Six**."),), kind="no link")
