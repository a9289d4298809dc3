"""Conversations that show what a viewer has to cope with. Each is found by its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from omniviewer.demo.stand_in.sample.hostile import BRACKETS, HOSTILE

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October")


@dataclass(frozen=True)
class Special:
    """`kind` changes what becomes of the last answer; `pauses` come before each turn but the first."""

    name: str | None
    turns: tuple[tuple[str, str | None], ...]
    kind: str = ""
    pauses: tuple[timedelta, ...] = ()


def _forty_rows() -> str:
    head = "The forty best-selling styles:\n\n| # | Style | Category | Units | Revenue | Return rate |\n|---:|:---|:---|---:|---:|---:|\n"
    kinds = ("Sneakers", "Jeans", "Jackets", "Hats", "Socks")
    rows = [
        f"| {n} | {kinds[n % 5]} style {100 + n * 7} | {kinds[n % 5]} | {9_800 - n * 213:,} | ${(9_800 - n * 213) * 37:,} | {2 + n * 0.31:.1f}% |"
        for n in range(1, 41)
    ]
    return head + "\n".join(rows) + "\n\nStyles 36 to 40 sold fewer than **2,200 units** each."


def _wide() -> str:
    head = "| Region | " + " | ".join(_MONTHS) + " | Total | Share | Growth |"
    rule = "|---" + "|---:" * (len(_MONTHS) + 3) + "|"
    rows = []
    for place, region in enumerate(("Nordics", "DACH", "Benelux", "France", "Iberia", "UK & Ireland"), 1):
        values = [1_000 * (20 + place * 7 + month * 3) for month in range(len(_MONTHS))]
        cells = " | ".join(f"${value:,}" for value in values)
        rows.append(f"| {region} | {cells} | ${sum(values):,} | {8 + place * 2.5:.1f}% | {place * 1.1 - 2:+.1f}% |")
    return "Revenue by region and month\n" + "\n".join([head, rule, *rows])


_CODE = """Three ways to get there.

1. In SQL:

   ```sql
   SELECT DATE_TRUNC('week', created_at) AS week,
          COUNT(*) FILTER (WHERE returned_at IS NOT NULL) * 1.0 / COUNT(*) AS return_rate
   FROM order_items  -- one row an item
   WHERE created_at >= '2026-01-01'
   GROUP BY 1
   ORDER BY 1
   ```

2. In Python, with the CSV:

   ```python
   from pathlib import Path
   import csv

   def return_rate(path: Path) -> float:
       \"\"\"Share of items that came back.\"\"\"
       rows = list(csv.DictReader(path.open()))
       return sum(row["returned_at"] != "" for row in rows) / len(rows)
   ```

3. As a query for the API:

```json
{"table": "order_items", "fields": ["order_items.created_at[week]", "returns.rate"], "limit": 500, "sorts": [], "active": true}
```

The field is `order_items.total_sale_price`; press <kbd>Ctrl</kbd> in the workbook. Without a language:

```
a very long line of a log that does not wrap: 2026-10-01T08:15:42Z level=info query_id=8d1f connection=warehouse rows=18223 ms=4183 cached=false
```
"""

_LISTS = """Here is the plan:
- Data quality
  - Orders without a customer
    - Guest checkouts
      - From the app
      - From the web
    - Imported orders
  - Duplicate SKUs
- Reporting
   1. Weekly numbers
   2. Monthly numbers
      - for finance
      - for the board
- Next steps
    - ask the owner of `inventory_items`
    - [x] agree on a definition
    - [ ] write it down

1. First
2. Second

   With a paragraph of its own inside the second point.

3. Third

> A quote from the wiki: “Net revenue excludes returns.”
>
> > And a quote in the quote.

---

Old prices are ~~struck through~~, new ones are **bold**, *italic* or ***both***.

Term[^1] and a footnote of sorts.

[^1]: Footnotes are not part of the Markdown that Omni documents.
"""

_SCRIPTS = """**العربية**: إجمالي الإيرادات حسب المنطقة للربع الثالث هو 1,204,500 دولار.

**עברית**: סך ההכנסות לפי אזור ברבעון השלישי.

**中文**：第三季度各地区的总收入为 ¥8,640,000，同比增长 12.5%。

**日本語**：第三四半期の地域別売上高は 1億2,045万円でした。返品率は 3.4% です。

**한국어**: 3분기 지역별 매출은 12.5% 증가했습니다.

**Emoji**: 📈 up, 📉 down, 👩🏽‍💻 analyst, 🏳️‍🌈, 🇸🇪🇩🇪

| 地区 | 收入 | التغيير |
|---|---:|---:|
| 华东 | ¥3,200,000 | ‎+4.1% |
| 华南 | ¥2,100,000 | ‎-1.2% |
"""


def specials() -> Iterator[Special]:
    """Newest first."""
    yield Special("Revenue this morning", (("How much did we sell since midnight?", None),), kind="running")
    yield Special("Markdown from a language model: lists and quotes", (("Make me a plan for cleaner data", _LISTS),))
    yield Special("Return rate three ways", (("How do I compute the weekly return rate?", _CODE),))
    yield Special("Forty best-selling styles", (("List the forty best-selling styles as a table", _forty_rows()),))
    yield Special("Revenue by region and month", (("Revenue by region for every month this year", _wide()),))
    yield Special(
        "إيرادات الربع الثالث 第三季度收入", (("ما هي الإيرادات حسب المنطقة؟\n各地区的收入是多少？ 📊", _SCRIPTS),)
    )
    yield Special("Pasted text from an untrusted page", (("What does the product description say?", HOSTILE),))
    yield Special("Ten thousand brackets", (("Repeat this for me: [[[[", BRACKETS),))
    long_url = "https://data.example.com/export?" + "&".join(f"column_{n}=value_{n}" for n in range(60))
    words = f"The identifier is {'supercalifragilistic' * 30} and the export is at {long_url} (also <{long_url}>)."
    yield Special("Long words " + "without_any_place_to_break_" * 6, (("W" * 400, words),))
    yield Special(
        None, (("Which stores opened in the last 90 days?", "Four: **Umeå**, **Gent**, **Porto** and **Cork**."),)
    )
    yield Special(
        "A name that goes on and on, because somebody pasted their whole question into it, " * 4,
        (("Short question", "Short answer."),),
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
    yield Special(
        "Answers from before there were jobs",
        (("How many customers do we have?", "There are **48,211** customers."),),
        kind="no job",
    )
    yield Special("An answer without words", (("Draw it, don't tell it", ""),))
    yield Special(
        "Stock-outs, over several days",
        (
            ("Which sizes are out of stock?", "- Jeans **32/34**\n- Sneakers **41** and **42**"),
            ("And today?", "Only sneakers **42** are still missing."),
            ("Has the delivery come?", "Yes: 1,200 pairs were booked in **Malmö** this morning."),
        ),
        pauses=(timedelta(hours=19), timedelta(days=3, hours=2)),
    )
    yield Special("A very long investigation of returns", tuple(_investigation()), pauses=(timedelta(minutes=2),) * 199)


def _investigation() -> Iterator[tuple[str, str]]:
    """200 turns, 400 messages."""
    for n in range(1, 201):
        weeks = f"| Week | Returns |\n|---|---:|\n| {n} | {900 - n * 3} |\n| {n + 1} | {880 - n * 3} |"
        yield (
            f"Step {n}: what changed in week {n}?",
            f"Returns in week {n} were **{900 - n * 3}**.\n\n{weeks}\n\nThe most frequent reason was *wrong size* ({30 + n % 20}%).",
        )
