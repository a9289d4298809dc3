"""Every regular expression of the project against the worst texts: its time grows in proportion to theirs."""

import ast
import json
import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest
from playwright.sync_api import Browser

from conversations.tables import parsing
from omniviewer.time_limit import Clock
from tests import expressions
from tests.expressions import ROOT, Expression

# Growth above which time is no longer proportional: 1 is linear, 2 is quadratic.
MOST_GROWTH = 1.5


@pytest.fixture(scope="module")
def swept() -> dict[str, Any]:
    """Run the sweep in a process of its own, because all modules are imported already in this one."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-m", "tests.expressions"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_expression_is_found(swept: dict[str, Any]) -> None:
    # Unknown expressions depend on a function's arguments: name examples of these in `expressions.GIVEN`.
    assert swept["unknown"] == []
    assert swept["count"] >= 100
    for path in expressions.sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                assert node.module != "re", path
                assert not names & {"re_path", "RegexValidator", "RegexField"}, path


def test_none_grows_beyond_the_line(swept: dict[str, Any]) -> None:
    beyond = [found for found in swept["swept"] if found[0] > MOST_GROWTH]
    assert beyond == []


@pytest.mark.parametrize(
    ("pattern", "look"),
    [
        (r"(?:a+)+b", "match"),
        (r"(\w|\d\d?)*!", "match"),
        (r"\s+$", "search"),
        (r"\(?\s*[-+]?\s*(?:EUR)?\s*\d*\s*%?", "fullmatch"),
        (r"\d+\.?\d*x", "search"),
        (r"(?:[a-z]+,?)*;", "fullmatch"),
    ],
)
@pytest.mark.slow
def test_one_that_grows_is_told(pattern: str, look: str) -> None:
    growth, _, _ = expressions.slowest(Expression("", 1, re.compile(pattern), (look,)))
    assert growth > MOST_GROWTH


@pytest.mark.parametrize(
    "pattern", [r"\(?[ ]?[-+]?[ ]?(?:EUR)?[ ]?\d*+[ ]?%?", r"[^;]*+;", r"(?>a+)b?c", r"[a-z]{1,20}!"]
)
def test_one_that_does_not_is_let_through(pattern: str) -> None:
    growth, _, _ = expressions.slowest(Expression("", 1, re.compile(pattern), ("fullmatch",)))
    assert growth < MOST_GROWTH


@pytest.mark.parametrize(
    "piece", [" ", "\u00a0", "\t", "( ", "- ", "1 ", "1,", "1h ", "9/", "Sep ", "$", "#", "a\n", "T1:"]
)
def test_no_cell_takes_long(piece: str) -> None:
    cells = [f"({piece * 57}x"[:most] for most in (59, 60, 61, 4000)]
    text = "a\n" + "".join(f'"{cell}"\n' for cell in cells * 1000)
    start = time.thread_time()
    table = parsing.read(text)
    table.sorted_by(1)
    assert time.thread_time() - start < 2


def test_a_table_that_takes_long_to_judge_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversations.tables.parsing.Clock", lambda *_: Clock(-1.0))
    table = parsing.read("a,b\n1,2\n")
    assert [column.holds for column in table.columns] == ["text", "text"]
    assert table.rows == [["1", "2"]]


# Scripts -----------------------------------------------------------------------------------------------------------

_LITERAL = re.compile(
    r"(?:[=(:,?!&|;{]|return|^)\s*/((?![*/])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/([dgimsuvy]*)", re.M
)


def test_the_scripts_expressions_do_not_grow_either(chromium: Browser) -> None:
    found = [
        (path.name, source, flags)
        for path in sorted((ROOT / "static/js").glob("*.js"))
        for source, flags in _LITERAL.findall(path.read_text())
    ]
    assert found
    page = chromium.new_page()
    for name, source, flags in found:
        python = re.sub(
            r"\\p\{[^}]*\}", r"a-z", source.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")
        )
        cases = expressions.worst_cases(re.compile(python))
        texts = [[expressions.text_of(case, size) for size in (16, 24, 1000, 16_000)] for case in cases]
        took = page.evaluate(
            """([source, flags, all]) => all.map((texts) => texts.map((text) => {
                const expression = new RegExp(source, flags), start = performance.now();
                text.replace(expression, "");
                return performance.now() - start;
            }))""",
            [source, flags, texts],
        )
        for case, (_, _, _, longest) in zip(cases, took, strict=True):
            # Quadratic time takes a second at 16,000 characters.
            assert longest < 100, (name, source, case)
    page.close()
