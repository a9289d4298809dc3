"""Parsing of CSV that Omni formatted for people."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.tables import numbers, parsing
from conversations.tables.parsing import NoTable
from omniviewer import spreadsheet
from omniviewer.omni import semantic_query

Rows = list[list[str]]

# Tables as Omni may send them, the resulting columns (# marks a column of numbers), and the rows.
BODIES: dict[str, tuple[str, list[str], Rows]] = {
    "plain": ("a,b\n1,x\n", ["#a", "b"], [["1", "x"]]),
    "carriage returns": ("a,b\r\n1,x\r\n", ["#a", "b"], [["1", "x"]]),
    "old Macs": ("a,b\r1,x\r", ["#a", "b"], [["1", "x"]]),
    "no last line end": ("a,b\n1,x", ["#a", "b"], [["1", "x"]]),
    "quotes": ('a\n"say ""hi"""\n', ["a"], [['say "hi"']]),
    "a line end in a cell": ('a,b\n"1\n2",x\n', ["a", "b"], [["1\n2", "x"]]),
    "a comma in a cell": ('a\n"1,234"\n', ["#a"], [["1,234"]]),
    "a comma in a name": ('"a, b"\nx\n', ["a, b"], [["x"]]),
    "a byte order mark": ("\ufeffa\nx\n", ["a"], [["x"]]),
    "no header": ("1,2\n3,4\n", ["#Column 1", "#Column 2"], [["1", "2"], ["3", "4"]]),
    "a header alone": ("a,b\n", ["a", "b"], []),
    "a name missing": ("a,\n1,2\n", ["#a", "#Column 2"], [["1", "2"]]),
    "names of blanks": (" a , \nx,y\n", ["a", "Column 2"], [["x", "y"]]),
    "the same name twice": ("a,a\n1,x\n", ["#a", "a"], [["1", "x"]]),
    "too few cells": ("a,b,c\n1\n", ["#a", "b", "c"], [["1", "", ""]]),
    "too many cells": ("a\n1,2,3\n", ["#a", "#Column 2", "#Column 3"], [["1", "2", "3"]]),
    "empty lines": ("a\n\n1\n\n\n2\n", ["#a"], [["1"], ["2"]]),
    "an empty cell in quotes": ('a\n""\n', ["a"], [[""]]),
    "nothing but dashes": ("a\n-\n-\n", ["a"], [["-"], ["-"]]),
    "numbers and a dash": ("a\n1\n-\n", ["#a"], [["1"], ["-"]]),
    "numbers and a word": ("a\n1\nnone\n", ["a"], [["1"], ["none"]]),
    "money": ('a\n"$1,200.50"\n-$3\n($4)\n', ["#a"], [["$1,200.50"], ["-$3"], ["($4)"]]),
    "per cent": ("a\n12.5%\n(3%)\n", ["#a"], [["12.5%"], ["(3%)"]]),
    "money with its name": ("a\nEUR 5\n7 €\n", ["#a"], [["EUR 5"], ["7 €"]]),
    "thousands by blanks": ("a\n1\u202f234\n", ["#a"], [["1\u202f234"]]),
    "thousands that are none": ('a\n"1,23"\n', ["a"], [["1,23"]]),
    "dates": ("a\n2025-01-31\n", ["a"], [["2025-01-31"]]),
    "times": ("a\n12:30\n", ["a"], [["12:30"]]),
    "versions": ("a\n1.2.3\n", ["a"], [["1.2.3"]]),
    "telephone numbers": ("a\n+49 30 1234\n", ["a"], [["+49 30 1234"]]),
    "large powers": ("a\n1e308\n1e-308\n", ["#a"], [["1e308"], ["1e-308"]]),
    "formulas": ("a\n=1+1\n", ["a"], [["=1+1"]]),
    "markup": ("<b>\n<script>\n", ["<b>"], [["<script>"]]),
    "other scripts": ("地域,数\n東京,1\n", ["地域", "#数"], [["東京", "1"]]),
    "right to left": ("منطقة\nشمال\n", ["منطقة"], [["شمال"]]),
    "faces": ("a\n🙂\n", ["a"], [["🙂"]]),
    "a quote that never ends": ('a\n"x\ny', ["a"], [["x\ny"]]),
    "a quote in the middle": ('a\nx"y\n', ["a"], [['x"y']]),
    "text behind a quote": ('a\n"x"y\n', ["a"], [["xy"]]),
    "semicolons": ("a;b\n1;2\n", ["a;b"], [["1;2"]]),
    "tabs": ("a\tb\n1\t2\n", ["a\tb"], [["1\t2"]]),
    "a cell of a megabyte": ("a\n" + "x" * 1_000_000 + "\n", ["a"], [["x" * 1_000_000]]),
}


@pytest.mark.parametrize("what", BODIES)
def test_what_becomes_of_it(what: str) -> None:
    text, names, rows = BODIES[what]
    table = parsing.read(text)
    assert [f"{'#' if column.is_number else ''}{column.name}" for column in table.columns] == names
    assert table.rows == rows


@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n", "\ufeff"])
def test_nothing_is_no_table(text: str) -> None:
    with pytest.raises(NoTable):
        parsing.read(text)


def test_a_column_is_judged_by_its_beginning_and_sorted_to_its_end() -> None:
    table = parsing.read("a\n" + "2\n" * 1000 + "none of these\n1\n")
    assert table.columns[0].is_number
    assert [row[0] for row in table.sorted_by(1).rows][:2] == ["1", "2"]
    assert table.sorted_by(1).rows[-1] == table.sorted_by(1, descending=True).rows[-1] == ["none of these"]


def test_times_are_sorted_by_time() -> None:
    table = parsing.read("m\nApr 2026\nFebruary 2026\n-\nMay 2025\n")
    assert [row[0] for row in table.sorted_by(1).rows] == ["May 2025", "February 2026", "Apr 2026", "-"]
    assert [row[0] for row in table.sorted_by(1, descending=True).rows] == [
        "Apr 2026",
        "February 2026",
        "May 2025",
        "-",
    ]


@pytest.mark.parametrize(
    "cell", ["=1", "@x", "\tx", "\rx", "+x", "-x", "-2+3", "-A$5", "+A$5", "-ABC 5", "+1 ABC", "-A1"]
)
def test_what_a_spreadsheet_would_reckon_is_defused(cell: str) -> None:
    assert spreadsheet.defused(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["-", "-5", "+5", "-$1,200.50", "-12.5%", "-1.5M", "-1e5", "-5 €", "a=1", "($5)", "5 EUR"]
)
def test_what_it_would_not_is_left_as_it_is(cell: str) -> None:
    assert spreadsheet.defused(cell) == cell


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_is_a_table_or_none(text: str) -> None:
    try:
        table = parsing.read(text)
    except NoTable:
        return
    assert all(len(row) == len(table.columns) for row in table.rows)
    for column in table.columns:
        for descending in (False, True):
            ordered = table.sorted_by(column.number, descending=descending)
            assert sorted(ordered.rows) == sorted(table.rows)


@given(
    st.lists(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r")), min_size=2), min_size=1)
)
def test_a_download_reads_back_but_for_what_was_defused(rows: Rows) -> None:
    text = "".join(parsing.as_csv(rows[0], rows[1:])).removeprefix("\ufeff")
    back = list(csv.reader(io.StringIO(text, newline="")))
    assert back == [[spreadsheet.defused(cell) for cell in row] for row in rows]
    for row in back:
        for cell in row:
            assert not cell.startswith(("=", "@", "\t")), cell


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("678,994.41", "678994.41"),
        ("$1,200", "1200"),
        ("(12.5%)", "-0.125"),
        ("-3", "-3"),
        ("\u22123", "-3"),
        ("+3", "3"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("($5)", "-5"),
        (".5", "0.5"),
        ("1.5k", "1500"),
        ("2M", "2000000"),
        ("USD 5", "5"),
        ("5 €", "5"),
        ("1'000", "1000"),
        ("1’000", "1000"),
        ("$(1,200)", "-1200"),
        ("$ (1,200.50)", "-1200.50"),
        ("US$5", "5"),
        ("R$ 5", "5"),
        ("5 EUR", "5"),
        ("-5 EUR", "-5"),
        ("₪5", "5"),
        ("1e3", "1000"),
        ("  7  ", "7"),
        ("１２", "12"),
        ("٣", "3"),
    ],
)
def test_numbers_as_people_write_them(cell: str, value: str) -> None:
    assert parsing.value(cell) == Decimal(value)


@pytest.mark.parametrize(
    "cell",
    ["", "-", "abc", "1,2", "1,23", "1,000,00", "1.2.3", "5.", "--5", "(-5)", "-(5)", "1 2", "0x1", "%", "$", "1/2",
     "12:30", "2025-01-01", "$($5)", "-$(5)", "5EUR", "ABCD 5", "AB5", "$(5", "1.234,56", "1" * 61, "NaN", "Infinity"],
)  # fmt: skip
def test_what_is_no_number(cell: str) -> None:
    assert parsing.value(cell) is None


def test_the_fields_of_a_query() -> None:
    told = semantic_query.read(
        {
            "table": "order_items",
            "fields": ["products.name", "order_items.total"],
            "filters": {"orders.state": "complete", "orders.at": {"is": "last 30 days"}},
            "sorts": [{"column_name": "order_items.total", "sort_descending": True}, "-a", "b"],
            "limit": 1000,
        }
    )
    assert (told.table, told.limit) == ("order_items", "1000")
    assert told.fields == ["products.name", "order_items.total"]
    assert told.filters == [("orders.state", "complete"), ("orders.at", "is last 30 days")]
    assert told.sorts == [("order_items.total", True), ("a", True), ("b", False)]
    assert told.on_a_line == (
        "Fields: products.name, order_items.total. Filters: orders.state complete; orders.at is last 30 days. "
        "Sorted by: order_items.total descending, a descending, b. Limit: 1000."
    )
    assert semantic_query.read({}).on_a_line == ""
    assert semantic_query.read({"fields": 7, "filters": [], "sorts": {}, "table": ["x"]}) == semantic_query.Fields(
        table='["x"]'
    )


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"kind": "EQUALS", "values": ["complete"]}, "is complete"),
        ({"kind": "EQUALS", "type": "string", "values": ["a", "b"], "is_negative": True}, "is not a, b"),
        ({"kind": "CONTAINS", "values": ["x"], "is_negative": True, "case_insensitive": True},
         "not contains x (case insensitive: true)"),
        ({"kind": "TIME_FOR_INTERVAL_DURATION", "left_side": "6 months ago", "right_side": "6 months",
          "type": "date", "ui_type": "PAST"}, "is 6 months ago, for 6 months"),
        ({"kind": "TIME_FOR_INTERVAL_DURATION", "value": "in September"}, "is in September"),
        ({"kind": "GREATER_THAN", "values": [0], "is_inclusive": True}, "is greater than 0 (is inclusive: true)"),
        ({"kind": "IS_NULL"}, "is null"),
        ({"kind": "EQUALS", "values": [""]}, "is “”"),
        ({"kind": "EQUALS", "values": []}, "is"),
        ({"kind": 7, "value": "x"}, "kind 7, value x"),
        ({"kind": "NEW_KIND", "values": "x", "left_side": None}, "new kind x"),
        ({}, ""),
        (["a", {"b": 1}], '["a", {"b": 1}]'),
        (None, ""),
    ],
)  # fmt: skip
def test_the_filters_of_a_query_in_words(condition: object, words: str) -> None:
    assert semantic_query.read({"filters": {"f": condition}}).filters == [("f", words)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "values", "value", "left_side", "right_side", "x"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_filter_can_be_read(condition: object) -> None:
    (told,) = semantic_query.read({"filters": {"f": condition}}).filters
    assert isinstance(told[1], str)


SORTED: dict[str, tuple[str, str, list[str]]] = {
    "dates of the United States": (
        "dates, month first",
        "Day",
        ["12/30/2025", "1/2/2026 9:05 AM", "1/2/2026 1:00 PM", "10/1/2026"],
    ),
    "dates of most others": ("dates, day first", "Day", ["30/12/2025", "2/1/2026", "1/10/2026"]),
    "dates with points": ("dates", "Day", ["30.12.2025", "2.1.2026", "01.10.2026"]),
    "short years": ("dates, month first", "Day", ["12/31/99", "2/1/00", "1/13/26"]),
    "named dates": ("dates", "Day", ["Sunday, March 1, 2026", "April 2nd, 2026", "Aug 1, 2026", "February 3, 2027"]),
    "named dates, day first": ("dates", "Day", ["30 Dec 2025", "1st March 2026", "2 May 2026"]),
    "dates without a year": ("dates", "Day", ["Feb 9", "Mar 1", "Mar 12", "Oct 3"]),
    "ISO with zones": ("dates", "At", ["2026-03-01T12:00+02:00", "2026-03-01 10:30Z", "2026-03-01T08:00:00-0500"]),
    "months": ("months", "M", ["Jan", "Mar", "Sept.", "Dec"]),
    "Spanish months": ("months", "M", ["enero", "abril", "agosto", "diciembre"]),
    "months with years": ("months", "M", ["Dec '25", "Feb '26", "Sep '26"]),
    "months in figures": ("months", "M", ["11/2025", "2/2026", "10/2026"]),
    "weekdays": ("days of the week", "D", ["Mon", "Wed", "Fri", "Sunday"]),
    "times of day": ("times of day", "T", ["12:10 AM", "9:00 am", "12:00 PM", "3:15 PM"]),
    "rupees": ("numbers", "R", ["₹999", "₹1,00,000", "₹2,50,00,000"]),
    "euros": ("numbers", "R", ["-3,50 €", "999,99 €", "1.000,00 €", "10.000,5 €"]),
    "euros without cents": ("numbers", "R", ["987 €", "1.200 €", "12.345 €"]),
    "pesos": ("numbers", "R", ["$990", "$1.990", "$10.500"]),
    "French blanks": ("numbers", "R", ["950,5", "1\u202f200,25", "12\u00a0000,00"]),
    "Swiss apostrophes": ("numbers", "R", ["CHF 900.50", "CHF 1'200.00", "CHF 12’000.00"]),
    "decimals of three": ("numbers", "R", ["0.125", "2", "10.500"]),
    "numbers with nothing among them": ("numbers", "N", ["3", "20", "100", "NaN", "(null)", "None", "#N/A"]),
    "numbers with a word among them": ("numbers", "N", ["1", "2", "10", "11", "100", "unknown"]),
    "durations": ("durations", "T", ["45s", "10 min", "1h 5m", "2 hours", "1 day, 3:00:00", "2 weeks"]),
    "clocks": ("durations", "T", ["0:59", "1:30", "00:12:30", "1:00:01"]),
    "intervals": ("durations", "T", ["PT90S", "PT1H", "P1DT1S", "P2W"]),
    "text": ("text", "T", ["10 Downing Street", "May Fair", "west 4th"]),
}


@pytest.mark.parametrize("shape", SORTED)
def test_a_column_is_sorted_by_what_it_holds(shape: str) -> None:
    holds, name, cells = SORTED[shape]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([[name, "n"], *[[cell, "x"] for cell in sorted(cells, reverse=True)]])
    table = parsing.read(text.getvalue())
    assert table.columns[0].holds == holds
    rows = [row[0] for row in table.sorted_by(1).rows]
    known = [cell for cell in cells if not numbers.says_nothing(cell)]
    assert rows[: len(known)] == known
    assert sorted(rows) == sorted(cells)
    down = [row[0] for row in table.sorted_by(1, descending=True).rows]
    assert down[0] == (known[-2] if known[-1] == "unknown" else known[-1])


@pytest.mark.parametrize(
    ("text", "names", "count"),
    [
        ("2024,2025,2026\n1,2,3\n4,5,6\n", ["2024", "2025", "2026"], 2),
        ("1,2,3,4\n10,20,30,40\n", ["1", "2", "3", "4"], 1),
        ("2024\n2025\n2026\n", ["Column 1"], 3),
        ("10,20,30\n1,2,3\n", ["Column 1", "Column 2", "Column 3"], 2),
        ("2024,2024\n1,2\n", ["Column 1", "Column 2"], 2),
    ],
)
def test_a_header_of_numbers_is_one_where_it_counts_up(text: str, names: list[str], count: int) -> None:
    table = parsing.read(text)
    assert [column.name for column in table.columns] == names
    assert len(table.rows) == count


CUT = "City,N\n# FIRST 2 ROWS:\nOslo,1\nRome,2\n{}# LAST 1 ROWS:\nBonn,9\n"


@pytest.mark.parametrize(
    ("middle", "labels", "rows"),
    [
        ("", ["First 2 rows", "Last row"], 3),
        ("# SAMPLED 1 ROWS FROM MIDDLE (rows 500-500):\nCork,5\n",
         ["First 2 rows", "1 row sampled from the middle (rows 500 to 500)", "Last row"], 4),
        ('"# SAMPLED 1,200 ROWS FROM MIDDLE (rows 1,001-2,200):"\nCork,5\n',
         ["First 2 rows", "1,200 rows sampled from the middle (rows 1,001 to 2,200)", "Last row"], 4),
        ("# SAMPLED 1,200 ROWS FROM MIDDLE (rows 1,001-2,200):\nCity,N\nCork,5\n",
         ["First 2 rows", "1,200 rows sampled from the middle (rows 1,001 to 2,200)", "Last row"], 4),
        ("# SAMPLED 0 ROWS FROM MIDDLE (rows 3-3):,\n", ["First 2 rows", "Last row"], 3),
    ],
)  # fmt: skip
def test_the_marks_of_a_cut_result_are_no_rows(middle: str, labels: list[str], rows: int) -> None:
    table = parsing.read(CUT.format(middle))
    assert [section.label for section in table.sections] == labels
    assert len(table.rows) == rows
    assert not table.is_ragged
    assert table.has_gaps
    assert table.columns[1].is_number
    text = "".join(parsing.as_csv(*table.for_file()))
    assert "#" not in text
    assert text.splitlines()[-1] == "Bonn,9,Last row"
    assert table.sorted_by(2).sections == ()


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n# LAST 1 ROWS:\n",
        "a,b\n# FIRST 2 ROWS:,x\n",
        "a\n# first things first\n",
        "a\n#1\n",
        "a,b\n1,# LAST 1 ROWS:\n",
    ],
)
def test_what_is_no_mark_is_a_row(text: str) -> None:
    table = parsing.read(text)
    assert table.sections == ()
    assert len(table.rows) == text.count("\n") - 1


def test_the_beginning_alone_has_no_gap() -> None:
    table = parsing.read("City,N\n# FIRST 2 ROWS:\nOslo,1\nRome,2\n")
    assert (len(table.sections), table.has_gaps) == (1, False)
