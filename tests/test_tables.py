"""CSV that was formatted for people, and what becomes of it."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations import queries, tables
from conversations.tables import NoTable

Rows = list[list[str]]

# What Omni may send, the columns that come of it (a number of people's marked by #), and the rows.
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
    table = tables.read(text)
    assert [f"{'#' if column.is_number else ''}{column.name}" for column in table.columns] == names
    assert table.rows == rows


@pytest.mark.parametrize("text", ["", "\n", "\r\n\r\n", "\ufeff"])
def test_nothing_is_no_table(text: str) -> None:
    with pytest.raises(NoTable):
        tables.read(text)


def test_a_column_is_judged_by_its_beginning_and_sorted_to_its_end() -> None:
    table = tables.read("a\n" + "2\n" * 1000 + "none of these\n1\n")
    assert table.columns[0].is_number
    assert [row[0] for row in table.sorted_by(1).rows][:2] == ["1", "2"]
    assert table.sorted_by(1).rows[-1] == table.sorted_by(1, descending=True).rows[-1] == ["none of these"]


def test_times_are_sorted_by_time() -> None:
    table = tables.read("m\nApr 2026\nFebruary 2026\n-\nMay 2025\n")
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
    assert tables.defused(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["-", "-5", "+5", "-$1,200.50", "-12.5%", "-1.5M", "-1e5", "-5 €", "a=1", "($5)", "5 EUR"]
)
def test_what_it_would_not_is_left_as_it_is(cell: str) -> None:
    assert tables.defused(cell) == cell


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_is_a_table_or_none(text: str) -> None:
    try:
        table = tables.read(text)
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
    text = "".join(tables.as_csv(rows[0], rows[1:])).removeprefix("\ufeff")
    back = list(csv.reader(io.StringIO(text, newline="")))
    assert back == [[tables.defused(cell) for cell in row] for row in rows]
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
    assert tables.value(cell) == Decimal(value)


@pytest.mark.parametrize(
    "cell",
    ["", "-", "abc", "1,2", "1,23", "1,000,00", "1.2.3", "5.", "--5", "(-5)", "-(5)", "1 2", "0x1", "%", "$", "1/2",
     "12:30", "2025-01-01", "$($5)", "-$(5)", "5EUR", "ABCD 5", "AB5", "$(5", "1.234,56", "1" * 61, "NaN", "Infinity"],
)  # fmt: skip
def test_what_is_no_number(cell: str) -> None:
    assert tables.value(cell) is None


def test_the_fields_of_a_query() -> None:
    told = queries.read(
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
    assert queries.read({}).on_a_line == ""
    assert queries.read({"fields": 7, "filters": [], "sorts": {}, "table": ["x"]}) == queries.Fields(table='["x"]')


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
    assert queries.read({"filters": {"f": condition}}).filters == [("f", words)]


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
    (told,) = queries.read({"filters": {"f": condition}}).filters
    assert isinstance(told[1], str)
