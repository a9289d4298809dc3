"""Files and cells for spreadsheets: one rule for formulas, in the server's files and in what a page copies."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from omniviewer import spreadsheet

SPREADSHEET_JS = Path(__file__).resolve().parents[2] / "static/js/spreadsheet.js"
FORMULA = ("=", "+", "-", "@", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20")
PLACES = ["{}", "x;{}", "two\n{}", 'a;"{}', "\r\n{}", ";;{};z"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "formula", ["=1+1", "@SUM(A1)", "+x", "-2+3", "\uff1d1", "=HYPERLINK(1)", "-A$5", "- cmd|' /c x'!A0"]
)
def test_no_formula_begins_where_a_program_may_see_a_cell(place: str, formula: str) -> None:
    text = "".join(spreadsheet.lines([["a", place.format(formula)], [place.format(formula), "b"]]))
    for delimiter in (",", ";"):
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            for cell in row:
                bare = cell.lstrip('"')
                assert not bare.startswith(FORMULA), (delimiter, text)


@pytest.mark.parametrize(
    "cell", ["x;5", "a;b=1", "x;-5", "x;-$1,200.50;y", "one\n- two words\n- three", "-", "-1e5", "a - b"]
)
def test_what_is_no_formula_stays_as_it_is(cell: str) -> None:
    assert spreadsheet.defused(cell) == cell


def test_every_cell_is_quoted_but_plain_words() -> None:
    rows = [["Week", "日本 1.5", "", "x;y", 'say "hi"', "-5", "a,b", "$1"], [""], ["", ""]]
    assert list(spreadsheet.lines(rows)) == [
        'Week,日本 1.5,,"x;y","say ""hi""","-5","a,b","$1"\r\n',
        '""\r\n',
        ",\r\n",
    ]


TEXTS = st.lists(st.text(alphabet=st.sampled_from('=+-@;"\t\r\n 1A$€%.,eE|(!xＭ＝－'), max_size=12), min_size=50)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
def test_the_pages_rule_is_the_servers(chromium: Browser, texts: list[str]) -> None:
    formulas = ("=1", "-5", "- a b", "-x", "+1 ABC", "-٣", "-1.5M", "- a(b")
    texts += [place.format(formula) for place in PLACES for formula in formulas]
    page = chromium.new_page()
    told = page.evaluate(
        """async ([source, texts]) => {
            const module = await import(`data:text/javascript;charset=utf-8,${encodeURIComponent(source)}`);
            return texts.map(module.defused);
        }""",
        [SPREADSHEET_JS.read_text(), texts],
    )
    page.close()
    assert told == [spreadsheet.defused(text) for text in texts]
