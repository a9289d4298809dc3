"""Answers that are tables, with the queries whose rows they show."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from omniviewer.demo.stand_in.organization import Action

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October")
_KINDS = ("Sneakers", "Jeans", "Jackets", "Hats", "Socks")
_REGIONS = ("Nordics", "DACH", "Benelux", "France", "Iberia", "UK & Ireland")


def looked_up(name: str, rows: Sequence[Sequence[str]], *fields: str, total: int = 0) -> Action:
    """Return a query with these rows, the first of which is the header."""
    query: dict[str, Any] = {"table": "order_items", "fields": list(fields), "filters": {}, "sorts": [], "limit": 1000}
    words = "Looked up the topic and wrote a query"
    return Action("generate_query", words, name, query, rows, total, was_truncated=total > len(rows))


def _markdown(rows: Sequence[Sequence[str]], rule: str) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, rule, *body])


def forty_rows() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("#", "Style", "Category", "Units", "Revenue", "Return rate")]
    for n in range(1, 41):
        kind, units = _KINDS[n % 5], 9_800 - n * 213
        rows.append(
            (str(n), f"{kind} style {100 + n * 7}", kind, f"{units:,}", f"${units * 37:,}", f"{2 + n * 0.31:.1f}%")
        )
    return rows


def best_sellers() -> str:
    table = _markdown(forty_rows(), "|---:|:---|:---|---:|---:|---:|")
    return f"The forty best-selling styles:\n\n{table}\n\nStyles 36 to 40 sold fewer than **2,200 units** each."


def fourteen_columns() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("Region", *_MONTHS, "Total", "Share", "Growth")]
    sums = [[1_000 * (20 + place * 7 + month * 3) for month in range(len(_MONTHS))] for place in range(1, 7)]
    total = sum(map(sum, sums))
    for place, (region, values) in enumerate(zip(_REGIONS, sums, strict=True), 1):
        shown = [f"${value:,}" for value in (*values, sum(values))]
        rows.append((region, *shown, f"{sum(values) / total:.1%}", f"{place * 1.1 - 2:+.1f}%"))
    return rows


def by_month() -> str:
    """Return a table directly after a line of text, as language models write it."""
    return "Revenue by region and month\n" + _markdown(fourteen_columns(), "|---" + "|---:" * 13 + "|")


def stores() -> list[tuple[str, ...]]:
    return [
        ("Store", "Opened", "Revenue", "Return rate"),
        ("Umeå", "2 weeks ago", "78,994.41", "3.1%"),
        ("Gent", "5 weeks ago", "141,202.00", "12.5%"),
        ("Porto", "7 weeks ago", "202,318.75", "4.0%"),
        ("Cork", "12 weeks ago", "388,020.10", "6.2%"),
    ]


def cut_into_sections(month: date) -> Action:
    """Return a month's returns, of which Omni sends the first rows, some from the middle, and the last ones."""
    rows = [("Order", "Returned", "Reason", "Refund")]
    reasons = ("Wrong size", "Damaged", "Other colour than shown", "Came too late")
    refunds = (124_900, 118_250, 99_900, 97_410, 94_000, 3_790, 3_785, 3_780, 510, 495, 480, 410)
    for number, cents in enumerate(refunds):
        day = 1 + number * 5 % 28
        order = f"ORD-{20_417 + number * 389}"
        rows.append((order, f"{month:%Y-%m}-{day:02}", reasons[number % len(reasons)], f"${cents / 100:,.2f}"))
    found = looked_up(f"Returns of {month:%B}", rows, "returns.order", "returns.refund", total=4_812)
    return replace(found, sections=(5, 3, 4))


def investigation() -> Iterator[tuple[str, str]]:
    """Yield 200 turns, which make 400 messages."""
    for n in range(1, 201):
        count = 900 - n * 3
        weeks = f"| Week | Returns |\n|---|---:|\n| {n} | {count} |\n| {n + 1} | {count - 3} |"
        yield (
            f"Step {n}: what changed in week {n}?",
            f"Returns in week {n} were **{count}**.\n\n{weeks}\n\n"
            f"The most frequent reason was *wrong size* ({30 + n % 20}%).",
        )
