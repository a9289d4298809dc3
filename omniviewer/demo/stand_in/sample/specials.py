"""Conversations in which something is special: an answer that runs or was cancelled, a wide table, a long one."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from omniviewer.demo.stand_in.sample import tables
from omniviewer.demo.stand_in.sample.documents import CODE
from omniviewer.demo.stand_in.sample.special import Special


def specials(now: datetime) -> Iterator[Special]:
    """Yield the special conversations of people at work."""
    yield from _unfinished()
    yield from _tables(now)
    yield Special("Return rate three ways", (("How do I compute the weekly return rate?", CODE),), working_days=3)
    yield Special(
        "Every order line of 2019",
        (("Give me every order line of 2019", "Cancelled."),),
        kind="cancelled",
        working_days=5,
        clock="16:41",
    )
    nothing = tables.looked_up("Orders from Atlantis", (("Region", "Orders"),), "users.region", "order_items.count")
    yield Special(
        "Orders from Atlantis",
        (("How many orders came from Atlantis?", "None: the query found **no rows**."),),
        working_days=6,
        clock="11:32",
        actions=(nothing,),
        chart=True,
    )
    yield Special(
        "Stock-outs, over several days",
        (
            ("Which sizes are out of stock?", "- Jeans **32/34**\n- Sneakers **41** and **42**"),
            ("And today?", "Only sneakers **42** are still missing."),
            ("Has the delivery come?", "Yes: 1,200 pairs were booked in **Malmö** this morning."),
        ),
        working_days=7,
        clock="14:20",
        topic="inventory",
        pauses=(timedelta(hours=19), timedelta(days=3, hours=2)),
    )


def _unfinished() -> Iterator[Special]:
    yield Special(
        "Revenue this morning",
        (
            ("How much did we sell yesterday?", "**$48,120** in 611 orders."),
            ("How much did we sell since midnight?", None),
        ),
        minutes=8,
        pauses=(timedelta(minutes=4),),
    )
    yield Special(
        "Revenue forecast for the next quarter",
        (("Forecast revenue for the next quarter", "Working on it: reading three years of orders."),),
        kind="executing",
        minutes=6,
        progress="Running query 3 of 4",
        in_the_end="Revenue of the next quarter is forecast at **$4.31 million**, 6% above the last one.",
    )
    yield Special(
        "Reorder list for all warehouses",
        (("Which styles do we have to reorder this week, by warehouse?", "Working on it: checking stock levels."),),
        kind="executing",
        owner="山田 花子",
        minutes=9,
        topic="inventory",
        progress="Running query 2 of 5",
        in_the_end="**14 styles** are below 10 days of cover, 9 of them in **Leipzig**. Sneakers **42** come first.",
        ends_in=20,
    )
    yield Special(
        "Campaign results, all channels",
        (
            (
                "Compare all campaigns of the last 12 months, by channel and week",
                "Working on it: 52 weeks, 7 campaigns.",
            ),
        ),
        kind="executing",
        owner="ليلى حداد",
        minutes=5,
        topic="marketing",
        progress="Running query 1 of 3",
        in_the_end="**Search ads** brought most orders in 31 of 52 weeks; **Creators** had the lowest cost of each.",
        ends_in=45,
    )


def _tables(now: datetime) -> Iterator[Special]:
    forty = tables.looked_up(
        "Best-selling styles", tables.forty_rows(), "products.name", "order_items.units", total=912
    )
    yield Special(
        "Forty best-selling styles",
        (("List the forty best-selling styles as a table", tables.best_sellers()),),
        working_days=1,
        clock="09:24",
        actions=(forty,),
        chart=True,
    )
    wide = tables.looked_up("Revenue by region and month", tables.fourteen_columns(), "users.region", "orders.month")
    yield Special(
        "Revenue by region and month",
        (("Revenue by region for every month this year", tables.by_month()),),
        working_days=1,
        clock="13:37",
        actions=(wide,),
        chart=True,
        seconds=44,
    )
    month = (now.replace(day=1) - timedelta(days=1)).date()
    yield Special(
        f"Every return of {month:%B}",
        (
            (
                f"List every return of {month:%B}, the largest refund first",
                "There were **4,812** returns. The largest refund was **$1,249.00**, the smallest **$4.10**.",
            ),
        ),
        working_days=4,
        clock="15:12",
        topic="returns",
        actions=(tables.cut_into_sections(month),),
    )
