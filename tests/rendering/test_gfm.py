"""Answers are structured as GitHub structures them: held against its own renderer, on generated and on chosen texts."""

import pytest

from conversations.rendering import render_answer
from tests.gfm_comparison import compare, gfm, ours
from tests.rendering.test_rendering import assert_is_safe, assert_nh3_agrees, html_of, text_of


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.slow
def test_one_document_in_a_hundred_differs_at_most(seed: int) -> None:
    found = compare(500, seed)
    assert found.share <= 0.01, found.different[0]
    # More would mean that the generator writes texts that are not compared.
    assert found.deliberate < 50


TABLE = "| t | u |\n|---|--:|\n| 1 | 2 |"
SAME = [
    # Items that follow something other than a line of text
    "1. A\n\n   para\n2. B\n\n   two\n\n   three\n3. C",
    "1. Refunds\n   > quoted\n2. Result",
    "1. Steps\n\n   * one\n   * two\n10. Result",
    "- A\n  1. x\n  2. y\n\n  words\n- B",
    "* A\n\n  ## Head\n  text\n* B",
    f"7. A\n\n   {TABLE}\n8. B".replace("\n|", "\n   |"),
    f"- A\n  {TABLE}\n- B\n  - C".replace("\n|", "\n  |"),
    "- A\n\n  ![c](https://a.example/c.png) and more\n- B".replace("![c](https://a.example/c.png)", "c"),
    "3) A\n   ```py\n   x\n   ```\n   It prints.\n4) B",
    # Tight, loose and mixed
    "- a\n- b\n\n- c",
    "- a\n  - b\n\n  - c\n- d",
    "- a\n\n\n- b",
    "1. a\n   - b\n\n2. c",
    "- a\n  > b\n  >\n- c",
    "-\n\n  a",
    "- a\n-\n- b",
    "* \n* x",
    # A fence on an item's own line
    "1. ```sql\n   SELECT a*b, c*d\n   ```\n2. Then.\n\n**12**",
    "- ~~~sql\n  x\n  ~~~\n- ```sql\n  - y\n  ```\n\nEnd *now*",
    "> ```sql\n> a\nno more code",
    "- ```sql\n  a\nno more code",
    "```sql\n\ta\n  \tb\n```",
    # Lines that begin a list, and lines that continue the sentence
    "a\n- b",
    "a\n1. b",
    "a\n2. b",
    "a\n-",
    "in\n1999. Then",
    "1234567890. It is active.\n1234567891. It is not.",
    "a\n    - b",
    "- a\n      - b",
    "1. a\n  - b\n2. c",
    "- a\n + b\n  * c",
    "- - a\n  - b\n-   c\n\n    d",
    "1.a\n-b\n+",
    # Headings and rules
    "a\nb\n===\nc\n---",
    "- a\n  ===\n- b\n---",
    "---\n***\n- - -\n_ _",
    "# a #\n## b##\n### c \\#\n#d\n#\n####### e",
    # Quotes
    "> a\nb\n> - c\nd\n>\n> e\n\nf",
    ">a\n>>b\n>c",
    "> # a\n> | x | y |\n> |---|---|\n> | 1 | 2 |\n\nb",
    # Tables
    "a\n| x | y |\n|:-:|---|\n| `p \\| q` | \\| |\n- b",
    "x | y\n--|--\n1 | \n**2** | 3",
    "| a |\n|---|\n| b |\n# c",
    "| a | b |\n|---|\n| c | d |",
    # Within a line
    "**a*b* c** __d__ _e_f_ **g:**h *i**j* ***l** m*",
    "a_b_c *d\ne* **f** * g * ** h **",
    "~~a~~ ~b~ ~~~c~~~ ~d~~ e ~5 to ~6",
    "`` a ` b `` `c\\` d` \\`e` ` f ` ``",
    "[a](https://a.example/x_(y)) [b](<https://a.example/z>) [c] [d][e] [*f*](https://a.example/g 'h')",
    "[1]: https://a.example/y\n\n[x][1] [1] [y][1] and [2]",
    "Sources:\n[1]: https://a.example/y\n[1] is",
    "&amp; &#42;a&#42; &lt;b> \\*c\\* \\d",
    "- [x] a\n- > - [ ] b\n- [ ]c",
    "a  \nb\\\nc\nd\\",
    "https://a.example/x, (https://a.example/y) www.a.example/z. a.b@c.example; https://a.example/?q=(1)&r=2)!",
]


@pytest.mark.parametrize("text", SAME)
def test_it_is_what_github_makes_of_it(text: str) -> None:
    assert ours(text) == gfm(text)
    made = render_answer(text).html
    assert_is_safe(made)
    assert_nh3_agrees(made)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a\n\n    b\n    c", "<p>a</p><p>b<br>\nc</p>"),
        ("    - a\n    - b", "<ul><li>a</li><li>b</li></ul>"),
        ("- a\n\n        - b\n        - c", "<ul><li><p>a</p><ul><li>b</li><li>c</li></ul></li></ul>"),
        ("<b>\na</b>", "<p>&lt;b&gt;<br>\na&lt;/b&gt;</p>"),
        ("**重要：**文字", "<p><strong>重要：</strong>文字</p>"),
        ("**“매출”**은", "<p><strong>“매출”</strong>은</p>"),
        ("~$5–~$10, ~3", "<p>~$5–~$10, ~3</p>"),
    ],
)
def test_what_is_meant_to_differ(text: str, html: str) -> None:
    assert html_of(text) == html
    assert ours(text) != gfm(text)


@pytest.mark.parametrize(
    ("rows", "cells"),
    [
        ("| a | `x || y` |", ["a", "x || y"]),
        ("| a | b | c |", ["a", "b | c"]),
        ("| `p | q` | b |", ["p | q", "b"]),
        ("| a |", ["a", ""]),
        ("| a \\| `b \\| c` | d", ["a | b | c", "d"]),
    ],
)
def test_a_row_keeps_all_its_cells(rows: str, cells: list[str]) -> None:
    seen = ours(f"| h | i |\n|---|---|\n{rows}")
    body = "".join(piece.removeprefix("=") for piece in seen[seen.index("</tr>") + 2 : -2])
    found = body.replace("<code>", "").replace("</code>", "").replace("<td>", "").split("</td>")
    assert found[:-1] == cells


def test_text_ends_a_table() -> None:
    assert html_of("| a |\n|---|\n| 1 |\nThe end").endswith("</table></div><p>The end</p>")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("the [EMEA](Europe, Middle East) grew", "the [EMEA](Europe, Middle East) grew"),
        ("g[0](a) and g[1](b)", "g[0](a) and g[1](b)"),
        ("[**call**](tel:+15550100)", "[call](tel:+15550100)"),
        ("[x](/dashboards/7)", "[x](/dashboards/7)"),
        ("![plan](plan.png)", "image: plan (plan.png)"),
        ("[a]: /b\n[a]", "[a]: /b\n[a]"),
        ("[a]: https://a.example/never-used", "[a]: https://a.example/never-used"),
        ("[^1]: never used", "[^1]: never used"),
        ("see [^1]", "see [^1]"),
    ],
)
def test_what_may_be_no_link_loses_no_word(text: str, shown: str) -> None:
    assert text_of(html_of(text)) == shown


def test_footnotes_stand_at_the_end_in_the_order_of_their_marks() -> None:
    text = "A[^long] and B[^2], A again[^long].\n\n[^2]: Two\n[^long]: One\n    more\n\n    `code` [^3]\n\n"
    text += "[^3]: Three\n\nEnd"
    assert html_of(text) == (
        '<p>A<span class="fn">[1]</span> and B<span class="fn">[2]</span>, A again<span class="fn">[1]</span>.</p>'
        "<p>End</p><hr><ol><li><p>One<br>\nmore</p>"
        '<p><code>code</code> <span class="fn">[3]</span></p></li><li><p>Two</p></li><li><p>Three</p></li></ol>'
    )
    assert_is_safe(html_of(text))


@pytest.mark.parametrize(
    ("text", "hrefs"),
    [
        ("„https://a.example/x“", ["https://a.example/x"]),
        ("«https://a.example/x», ‹www.a.example›", ["https://a.example/x", "http://www.a.example"]),
        ("（https://a.example/x），https://a.example/y！", ["https://a.example/x", "https://a.example/y"]),
        ("https://a.example/x、https://a.example/y」", ["https://a.example/x", "https://a.example/y"]),
        ("https://a.example/x→https://a.example/y ✅", ["https://a.example/x", "https://a.example/y"]),
        ("https://a.example/x؟ https://a.example/y।", ["https://a.example/x", "https://a.example/y"]),
        ("https://a.example/x–y", ["https://a.example/x"]),
        ("https://a.example/東京", ["https://a.example/東京"]),
        ('https://a.example/d?f={"kind":"TODAY"}.', ["https://a.example/d?f=%7B%22kind%22:%22TODAY%22%7D"]),
        ('[a](https://a.example/d?f={"a":"b|c"})', ["https://a.example/d?f=%7B%22a%22:%22b%7Cc%22%7D"]),
    ],
)
def test_an_address_ends_where_it_ends(text: str, hrefs: list[str]) -> None:
    tokens = assert_is_safe(html_of(text))
    assert tokens.hrefs == hrefs


def test_lists_in_lists_end_somewhere_and_lose_nothing() -> None:
    text = "\n".join("  " * depth + f"- {depth}" for depth in range(60))
    shown = text_of(html_of(text))
    assert [number for number in range(60) if str(number) not in shown] == []
