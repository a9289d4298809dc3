"""Conversations that show what a viewer has to cope with. Each is found by its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from omniviewer.demo.stand_in.organization import Action
from omniviewer.demo.stand_in.sample import hostile, tables
from omniviewer.demo.stand_in.sample.documents import CODE, LISTS, SCRIPTS

_ON_AND_ON = "A name that goes on and on, because somebody pasted their whole question into it, "
_LONG_URL = "https://data.example.com/export?" + "&".join(f"column_{n}=value_{n}" for n in range(60))


@dataclass(frozen=True)
class Special:
    """A special conversation. `kind` selects the state of the last answer; `pauses` precede each later turn.

    `actions` are what the job of the last answer did.
    """

    name: str | None
    turns: tuple[tuple[str, str | None], ...]
    kind: str = ""
    pauses: tuple[timedelta, ...] = ()
    actions: tuple[Action, ...] = ()
    chart: bool = False
    # The text of a running job's answer once it is complete.
    in_the_end: str = ""


def specials() -> Iterator[Special]:
    """Yield the special conversations, newest first."""
    yield Special(
        "Revenue this morning",
        (
            ("How much did we sell yesterday?", "**$48,120** in 611 orders."),
            ("How much did we sell since midnight?", None),
        ),
        pauses=(timedelta(minutes=4),),
    )
    yield from _markdown()
    yield from _hostile()
    yield from _unusual()
    yield from _jobs()
    yield Special(
        "Stock-outs, over several days",
        (
            ("Which sizes are out of stock?", "- Jeans **32/34**\n- Sneakers **41** and **42**"),
            ("And today?", "Only sneakers **42** are still missing."),
            ("Has the delivery come?", "Yes: 1,200 pairs were booked in **Malmö** this morning."),
        ),
        pauses=(timedelta(hours=19), timedelta(days=3, hours=2)),
    )
    long = tuple(tables.investigation())
    yield Special("A very long investigation of returns", long, pauses=(timedelta(minutes=2),) * (len(long) - 1))
    yield Special(
        "Every return of September",
        (
            (
                "List every return of September, the largest refund first",
                "There were **4,812** returns. The largest refund was **$1,249.00**, the smallest **$4.10**.",
            ),
        ),
        actions=(tables.cut_into_sections(),),
    )


def _markdown() -> Iterator[Special]:
    yield Special("Markdown from a language model: lists and quotes", (("Make me a plan for cleaner data", LISTS),))
    yield Special("Return rate three ways", (("How do I compute the weekly return rate?", CODE),))
    forty = tables.looked_up(
        "Best-selling styles", tables.forty_rows(), "products.name", "order_items.units", total=912
    )
    yield Special(
        "Forty best-selling styles",
        (("List the forty best-selling styles as a table", tables.best_sellers()),),
        actions=(forty,),
        chart=True,
    )
    wide = tables.looked_up("Revenue by region and month", tables.fourteen_columns(), "users.region", "orders.month")
    yield Special(
        "Revenue by region and month",
        (("Revenue by region for every month this year", tables.by_month()),),
        actions=(wide,),
        chart=True,
    )
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


def _jobs() -> Iterator[Special]:
    yield Special(
        "A forecast that is still running",
        (("Forecast revenue for the next quarter", "Working on it: reading three years of orders."),),
        kind="executing",
        in_the_end="Revenue of the next quarter is forecast at **$4.31 million**, 6 % above the last one.",
    )
    yield Special(
        "Margin by supplier",
        (
            (
                "What is the margin by supplier?",
                "The query failed. The field `suppliers.margin` does not exist in this topic.",
            ),
        ),
        kind="failed",
    )
    yield Special("Every order line of 2019", (("Give me every order line of 2019", "Cancelled."),), kind="cancelled")
    nothing = tables.looked_up("Orders from Atlantis", (("Region", "Orders"),), "users.region", "order_items.count")
    yield Special(
        "Orders from Atlantis",
        (("How many orders came from Atlantis?", "None: the query found **no rows**."),),
        actions=(nothing,),
        chart=True,
    )
