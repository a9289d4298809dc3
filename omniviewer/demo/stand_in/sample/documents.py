"""Long answers in Markdown, as language models write it: not always by the book."""

CODE = """Three ways to get there.

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

- A bullet can hold code as well:

  ```sql
  SELECT COUNT(*) FROM returns;
  ```

  ```json
  {"rows": 1}
  ```
- and so can one that is numbered inside it:
    1. ```python
       print("hello")
       ```

The field is `order_items.total_sale_price`; press <kbd>Ctrl</kbd> in the workbook. Without a language:

```
a very long line of a log that does not wrap: 2026-10-01T08:15:42Z level=info query_id=8d1f connection=warehouse rows=18223 ms=4183 cached=false
```
"""

LISTS = """Here is the plan:
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
- Weekly rhythm
  * Monday
   - read the numbers
   - write three sentences
     + no more than that
       + really
  * Friday
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

> - a list in a quote
> - with `code` in it

The open points are:
* a definition of *active*
* an owner
Then we begin. The order is
1. measure
2. decide

***

Old prices are ~~struck through~~, new ones are **bold**, *italic* or ***both***.

Term[^1] and a footnote of sorts.

[^1]: Footnotes are not part of the Markdown that Omni documents.
"""

SCRIPTS = """**العربية**: إجمالي الإيرادات حسب المنطقة للربع الثالث هو 1,204,500 دولار.

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
