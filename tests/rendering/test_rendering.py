"""Omni's text on the page: Markdown as models write it, hostile text, and the limits of what rendering may cost.

The second opinions are nh3's, and those of an allow-list of this file's own, read by the standard library's parser.
"""

import logging
import random
import re
import sys
import threading
import time
import unicodedata
from html.parser import HTMLParser
from urllib.parse import urlsplit

import nh3
import pytest
from django.utils.safestring import SafeString
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations import rendering
from conversations.rendering import characters, render_answer, render_question

VOID = {"br", "hr"}
ALLOWED: dict[str, set[str]] = {
    **{
        tag: set()
        for tag in ("blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "p", "strong")
    },
    **{tag: set() for tag in ("table", "tbody", "thead", "tr", "ul")},
    "a": {"href", "rel"},
    "div": {"class", "data-language", "role", "tabindex", "aria-label"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "span": {"class", "title"},
    "td": {"class"},
    "th": {"class"},
}
CLASS = re.compile(r"code|table-scroll|plain|hidden-character|link-host|align-(left|center|right)|[a-z][a-z0-9]{0,2}")
HIDDEN = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\x00-\x08\x0b-\x1f\x7f-\x9f\U000e0000-\U000e007f]"
)


class Tokens(HTMLParser):
    """A page's tags and text, in order; adjacent texts are joined."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, object]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(sorted(attrs, key=str))))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.found.append(("/" + tag, ()))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "text":
            data = f"{self.found.pop()[1]}{data}"
        self.found.append(("text", data))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    @property
    def text(self) -> str:
        return "".join(str(value) for kind, value in self.found if kind == "text")

    @property
    def hrefs(self) -> list[str]:
        return [
            str(dict(attributes)["href"])  # type: ignore[call-overload]
            for kind, attributes in self.found
            if kind == "a"
        ]


def html_of(text: str) -> str:
    """Return an answer's HTML, and assert that it was formatted."""
    rendered = render_answer(text)
    assert rendered.plain_because == ""
    return rendered.html


def text_of(html: str) -> str:
    return Tokens(html).text


def assert_is_safe(html: str) -> Tokens:
    tokens = Tokens(html)
    assert tokens.open == []
    for kind, attributes in tokens.found:
        if kind == "text" or kind.startswith("/"):
            continue
        assert kind in ALLOWED
        for name, value in attributes:  # type: ignore[attr-defined]
            assert name in ALLOWED[kind]
            assert name != "class" or CLASS.fullmatch(value)
            assert name != "href" or urlsplit(value).scheme in ("http", "https", "mailto")
            assert name != "rel" or value == "noopener noreferrer nofollow"
    assert not HIDDEN.search(html)
    return tokens


def assert_nh3_agrees(html: str) -> None:
    attributes = {tag: names - {"rel"} for tag, names in ALLOWED.items() if names}
    cleaned = nh3.clean(
        html,
        tags=set(ALLOWED),
        attributes=attributes,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
    assert cleaned == html or Tokens(cleaned).found == Tokens(html).found


def test_it_works() -> None:
    answer = "# Revenue\nUp **12%** in `EMEA`:\n- [the query](https://omni.example/q/1)\n- that's all & done"
    assert html_of(answer) == (
        "<h3>Revenue</h3><p>Up <strong>12%</strong> in <code>EMEA</code>:</p>"
        '<ul><li><a href="https://omni.example/q/1" rel="noopener noreferrer nofollow">the query'
        '<span class="link-host"> (omni.example)</span></a></li><li>that\'s all &amp; done</li></ul>'
    )


def test_a_question_is_never_markdown() -> None:
    rendered = render_question("# Why <b>\nis **it** _so_? https://a.example")
    assert rendered.html == '<div class="plain"># Why &lt;b&gt;\nis **it** _so_? https://a.example</div>'
    assert rendered.plain_because == ""


def test_what_it_makes_is_marked_safe_and_so_is_what_was_kept() -> None:
    for made in (render_answer("a").html, render_question("a").html, rendering.trusted("<p>a</p>")):
        assert isinstance(made, SafeString)


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\t"])
def test_an_empty_answer_is_empty(text: str) -> None:
    assert text_of(html_of(text)) == ""


TABLE = '<div class="table-scroll" role="group" tabindex="0" aria-label="Table"><table>'
CODE = '<div class="code"><pre tabindex="0"><code>{}</code></pre></div>'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        # Lists
        ("So:\n- a\n- b", "<p>So:</p><ul><li>a</li><li>b</li></ul>"),
        ("So:\n1. a\n2. b", "<p>So:</p><ol><li>a</li><li>b</li></ol>"),
        ("1) a\n2) b", "<ol><li>a</li><li>b</li></ol>"),
        ("3. c\n4. d", '<ol start="3"><li>c</li><li>d</li></ol>'),
        ("* a\n+ b", "<ul><li>a</li></ul><ul><li>b</li></ul>"),
        ("- a\n  - b\n    - c\n- d", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>"),
        ("- a\n   - b\n- c", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
        ("- a\n    - b\n        - c", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li></ul>"),
        ("- a\n\t- b", "<ul><li>a<ul><li>b</li></ul></li></ul>"),
        ("1. a\n   - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
        ("1. a\n  - b", "<ol><li>a</li></ol><ul><li>b</li></ul>"),
        ("- a\n1. b", "<ul><li>a</li></ul><ol><li>b</li></ol>"),
        ("The year was\n2024. It rained", "<p>The year was<br>2024. It rained</p>"),
        ("- [ ] a\n- [x] b", "<ul><li>☐ a</li><li>☑ b</li></ul>"),
        ("- a\n\nEnd", "<ul><li>a</li></ul><p>End</p>"),
        # Headings
        ("# a\n## b\n### c\n#### d\n###### e", "<h3>a</h3><h4>b</h4><h5>c</h5><h6>d</h6><h6>e</h6>"),
        ("a\n## b\nc", "<p>a</p><h3>b</h3><p>c</p>"),
        ("## About C#", "<h3>About C#</h3>"),
        # Levels stay in order below the page's own heading, without gaps.
        ("### a\n# b", "<h3>a</h3><h3>b</h3>"),
        ("# a\n###### b\n# c", "<h3>a</h3><h4>b</h4><h3>c</h3>"),
        ("#1 of 3", "<p>#1 of 3</p>"),
        ("Title\n===", "<h3>Title</h3>"),
        # Tables
        (
            "Here:\n| a | b |\n|---|--:|\n| 1 | 2 |\nDone",
            f'<p>Here:</p>{TABLE}<thead><tr><th>a</th><th class="align-right">b</th></tr></thead>'
            '<tbody><tr><td>1</td><td class="align-right">2</td></tr></tbody></table></div><p>Done</p>',
        ),
        (
            "|  | b |\n|:--|:-:|\n| x<br>y | `p|q` | extra |",
            f'{TABLE}<thead><tr><th class="align-left"></th><th class="align-center">b</th></tr></thead>'
            '<tbody><tr><td class="align-left">x<br>y</td><td class="align-center"><code>p|q</code> | extra</td></tr>'
            "</tbody></table></div>",
        ),
        # Code
        ("```\na <b>\n```", CODE.format("a &lt;b&gt;")),
        ("a\n~~~\nb\n~~~\nc", "<p>a</p>" + CODE.format("b") + "<p>c</p>"),
        ("````\n```\na\n```\n````", CODE.format("```\na\n```")),
        (
            "```sql\nx\n```",
            CODE.format('<span class="n">x</span>\n').replace('"code"', '"code" data-language="sql"', 1),
        ),
        ("```sql title here!\n```", CODE.format("").replace('"code"', '"code" data-language="sql"', 1)),
        ("cut off:\n```\na\n\nb", "<p>cut off:</p>" + CODE.format("a\n\nb")),
        (
            "1. a\n   ```\n   b\n     c\n   ```\n2. d",
            "<ol><li>a" + CODE.format("b\n  c") + "</li><li>d</li></ol>",
        ),
        ("> ```\n> a\n> ```", "<blockquote>" + CODE.format("a") + "</blockquote>"),
        ("a `b*c*d` e", "<p>a <code>b*c*d</code> e</p>"),
        ("`` a`b ``", "<p><code>a`b</code></p>"),
        ("    not code", "<p>not code</p>"),
        # Inline
        ("~~a~~ ~b~ x~y", "<p><del>a</del> <del>b</del> x~y</p>"),
        ("**a *b* c** snake_case_name 2*3*4", "<p><strong>a <em>b</em> c</strong> snake_case_name 2<em>3</em>4</p>"),
        ("a &amp; b &lt;c&gt; &#39; &copy; &x;", "<p>a &amp; b &lt;c&gt; ' © &amp;x;</p>"),
        ("&amp;lt;b&amp;gt;", "<p>&amp;lt;b&amp;gt;</p>"),
        (r"\*a\* \<b> \$1", "<p>*a* &lt;b&gt; $1</p>"),
        ("a  \nb", "<p>a<br>b</p>"),
        ("> a\n> b\n\nc", "<blockquote><p>a<br>b</p></blockquote><p>c</p>"),
        ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
        ("users.id = orders.name", "<p>users.id = orders.name</p>"),
    ],
)
def test_it_formats_what_models_write(text: str, html: str) -> None:
    made = html_of(text)
    assert re.sub(r"(?<=>)\n|\n(?=<)", "", made) == re.sub(r"(?<=>)\n|\n(?=<)", "", html)
    assert_is_safe(made)
    assert_nh3_agrees(made)


def test_code_is_coloured_by_classes() -> None:
    made = html_of("```sql\nSELECT 1 -- one\n```")
    assert '<span class="k">SELECT</span>' in made
    assert "style" not in made


def test_code_in_an_unknown_language_or_of_long_lines_is_plain() -> None:
    for fenced in ("```brainf\n<+>\n```", "```python\n" + "(" * 5_000 + "\n```"):
        made = html_of(fenced)
        assert "<span" not in made
        assert '<pre tabindex="0">' in made


@pytest.mark.parametrize(
    ("text", "shown", "href"),
    [
        ("https://a.example/x_y_z?b=1&c=2", "https://a.example/x_y_z?b=1&c=2", "https://a.example/x_y_z?b=1&c=2"),
        ("(https://a.example/x).", "(https://a.example/x).", "https://a.example/x"),
        ("https://a.example/x_(y)", "https://a.example/x_(y)", "https://a.example/x_(y)"),
        ("**https://a.example**", "https://a.example", "https://a.example"),
        ("<https://a.example>", "https://a.example", "https://a.example"),
        ("http://localhost:8000/x", "http://localhost:8000/x", "http://localhost:8000/x"),
        ("[a.example](https://a.example/)", "a.example", "https://a.example/"),
        ("[here](https://a.example/x)", "here (a.example)", "https://a.example/x"),
        ("[b.example](https://a.example/)", "b.example (a.example)", "https://a.example/"),
        ("[https://b.example](https://a.example)", "https://b.example (a.example)", "https://a.example"),
        ("[x](https://b.example@a.example/)", "x (a.example)", "https://b.example@a.example/"),
        ("https://b.example@a.example/", "https://b.example@a.example/ (a.example)", "https://b.example@a.example/"),
        ("[x](https://b\u00fccher.example/)", "x (xn--bcher-kva.example)", "https://xn--bcher-kva.example/"),
        ("[x](https://\u0430pple.example/)", "x (xn--pple-43d.example)", "https://xn--pple-43d.example/"),
        ("[x](https://a.example\\@b.example/)", "x (b.example)", "https://a.example@b.example/"),
        ("[x](https://[0:0::1]:8/y)", "x ([::1]:8)", "https://[::1]:8/y"),
        ("[x](https://192.0.2.1/y)", "x (192.0.2.1)", "https://192.0.2.1/y"),
        ("[x](HTTPS://A.example/Y)", "x (a.example)", "https://a.example/Y"),
        ("[mail](mailto:a@b.example?bcc=c@d.example)", "mail (a@b.example)", "mailto:a@b.example"),
        ("<a@b.example>", "a@b.example", "mailto:a@b.example"),
        ("[x][1] is\n\n[1]: https://a.example/y", "x (a.example) is", "https://a.example/y"),
        ("![chart](https://a.example/c.png)", "image: chart (a.example)", "https://a.example/c.png"),
        ("[![chart](https://b.example/c.png)](https://a.example/)", "image: chart (a.example)", "https://a.example/"),
        ("[x](https://a.example/?q=1&amp;r=2)", "x (a.example)", "https://a.example/?q=1&r=2"),
        ("[x](https://a.example/my file)", "x (a.example)", "https://a.example/my%20file"),
    ],
)
def test_links_show_where_they_go(text: str, shown: str, href: str) -> None:
    tokens = assert_is_safe(html_of(text))
    assert tokens.text.strip() == shown
    assert tokens.hrefs == [href]


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java&#115;cript:alert(1)", "java&Tab;script:alert(1)",
        "java\tscript:alert(1)", "\x01javascript:alert(1)", "java\u200bscript:alert(1)", "&#x6A;avascript:alert(1)",
        "javascript&colon;alert(1)", "javascript%3Aalert(1)", "vbscript:x", "data:text/html,x", "file:///etc/passwd",
        "//a.example/", "/x", "x", "#x", "?x", "https:a.example", "https:///a.example", "https:/a.example",
        "http://", "https:\\\\a.example", "ftp://a.example", "blob:https://a.example/x",
        "https://a\u202eb.example/", "https://a.example/\u202ex", "https://%61.example/", "https://[::1", "https://a.example:99999999/",
        "mailto:", "mailto:%61@b.example", "mailto:a@b.example%0abcc:c@d.example", "tel:1", "about:blank",
        "https://a b.example/", "https://\u2025.example/", "https://-a.example/", "https://" + "a" * 3_000,
        "https://0x7f.1/", "https://2130706433/", "https://0177.0.0.1/", "https://127.1/", "https://1.2.3.4.5/", "https://a.08/",
        "feed:javascript:alert(1)", "view-source:https://a.example", "\u00a0javascript:alert(1)", "https://\u00ad/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["[words]({})", "[words](<{}>)", "![words]({})", "[words][r]\n\n[r]: {}"])
def test_other_addresses_are_no_links(form: str, href: str) -> None:
    tokens = assert_is_safe(html_of(form.format(href)))
    assert tokens.hrefs in ([], ["https://a.example"]) or form.endswith("{}")
    assert all(urlsplit(found).hostname for found in tokens.hrefs)
    assert "words" in tokens.text


HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>", "<math><mi//xlink:href='x'>",
    "<iframe src=//a.example>", "<a href=javascript:alert(1)>x</a>", "<form><input name=a></form>",
    "<style>*{}</style>",
    "<!-- a --><b>", "<!--><script>x</script>-->", "<![CDATA[<b>]]>", "<?php x ?>", "<!DOCTYPE html>",
    "</div></article>",
    "<p id=x name=y style=color:red>", "<br onclick=x>", "<br/ onclick=x>", "<table><td>",
    "<noscript><p title=\"</noscript>\">",
    "`<script>`", "```<script>\nx\n```", "```html\n</code></pre><script>x</script>\n```", "```\"onclick=x\nx\n```",
    "```{.x #y onclick=z}\nx\n```", "~~~x\" data-y=\"z\n~~~", "[x](https://a.example/\"onclick=alert(1))",
    "[x](https://a.example/ \"t\\\"onclick=alert(1)\")", "![\"onerror=x](https://a.example)",
    "[<b>](https://a.example)",
    "[a](https://a.example)<script>", "<https://a.example/\"onclick=x>", "https://a.example/\"onclick=alert(1)",
    "https://a.example/'x<script>", "https://a.example/&quot;x", "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;", "&#x3c;script>", "&amp;lt;script&amp;gt;", "\\<script\\>", "<scr\x00ipt>", "<scr\u200bipt>",
    "\x02klzzwxh:0000\x03", "\x02wzxhzdk:0\x03", "\x02code:0\x03", "&#2;code:0&#3;\n\n```\nx\n```",
    "\x0260\x03script\x0362\x03",
    "&#2;60&#3;", "\x02amp\x03lt;", "[x]: javascript:alert(1)\n\n[x]", "[x]: https://a.example \"<script>\"\n\n[x][x]",
    "| <script> |\n|---|\n| <img onerror=x> |", "|a|\n|:--\"onclick=x|\n|b|", "# <script>", "> <script>", "- <script>",
    "1. <script>", "99999999999. x", "-1. x", "<a@b.example\"onclick=x>", "<javascript:alert(1)>", "<data:text/html,x>",
    "[[x](javascript:a)](https://a.example)", "[x [y](https://a.example) z](https://b.example)",
    "[x\n\ny](https://a.example)",
    "**<b>**", "~~<b>~~", "*a **b* c**", "<<script>script>", "<a<b>c", "a < b && c > d", "{{ x }} {% x %}",
    "{: onclick=x }",
    "# x {#id onclick=y}", "[^1]\n\n[^1]: x", "*[HTML]: x", "[TOC]", "!!! note", "$$x$$",
    "<https://a.example@b.example>",
    "\u202e<script>", "\ud800", "\ufdd0\uffff", "\U000e0041\U000e0042", "a\u0000b", "&#0; &#x80; &#xD800; &#1114112;",
    "<plaintext>", "<template><script>", "<textarea>", "<title></title>", "<base href=//a.example>",
    "<meta http-equiv=x>",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "frame", ["{}", "- {}", "> {}", "a **{}** b", "| {} |\n|---|\n| {} |", "# {}", "[{}](https://a.example)"]
)
def test_hostile_text_stays_text(text: str, frame: str) -> None:
    for made in (render_answer(frame.replace("{}", text)).html, render_question(text).html):
        assert_is_safe(made)
        assert_nh3_agrees(made)


def test_html_is_shown_as_the_text_it_is() -> None:
    text = 'a <b title="x">b</b> <!-- c --> <script>d</script>'
    assert text_of(html_of(text)) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "aU+202Eb"),
        ("a\u200b\u200bb", "aU+200B ×2b"),
        ("a&#x202e;b", "aU+202Eb"),
        ("`a\u2066b`", "aU+2066b"),
        ("```sql\na\u200bb\n```", "aU+200Bb\n"),
        ("[a\u202eb](https://a.example)", "aU+202Eb (a.example)"),
        ("a\U000e0041b", "aU+E0041b"),
        ("pass\u00adword", "passU+00ADword"),
        ("a\u200db", "aU+200Db"),
        ("a\ufe0fb", "aU+FE0Fb"),
        ("😀\U000e0101\U000e0102", "😀U+E0101U+E0102"),
        ("a\x07b", "aU+0007b"),
        ("a\ud800b", "aU+D800b"),
        ("a\u3164b", "aU+3164b"),
        ("a\U000e0085b\u2065", "aU+E0085bU+2065"),
        ("a\uffffb", "aU+FFFFb"),
        ("a" + "\u0323\u0301" * 9 + "b", "a" + "\u0323\u0301" * 4 + "U+0323 ×10b"),
        ("👩\u200d💻 ❤️ 1️⃣", "👩\u200d💻 ❤️ 1️⃣"),
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),
    ],
)
def test_hidden_characters_are_shown(text: str, shown: str) -> None:
    assert text_of(html_of(text)) == shown
    if not text.startswith(("`", "[", "a&")):
        assert text_of(render_question(text).html) == shown


@pytest.mark.parametrize(
    "text",
    [
        "המחיר\u200f: 5",
        "**שלום**\u200e, (עולם)\u200f!",
        "سعر \u061c5% و \u200eA-1\u200e",
        "\u2068שלום\u2069 and \u2066\u2067עולם\u2069 b\u2069",
        "- \u2067**שלום**\u2069\n- plain",
        "| ש |\n|---|\n| \u200fא |",
    ],
)
def test_direction_marks_of_right_to_left_text_are_no_threat(text: str) -> None:
    assert "U+" not in html_of(text) + render_question(text).html + rendering.visible(text) + rendering.spelled(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # No right-to-left text on the line
        ("a\u200f: 5\nשלום", "U+200F"),
        ("\u2067admin\u2069", "U+2067"),
        # Within a word of another script, or several in a row, which could carry a hidden message
        ("שלום pay\u200epal", "U+200E"),
        ("שלום \u200e\u200f\u200e", "U+200F"),
        # Open to the end of the line, or closed before it was opened
        ("\u2067שלום x", "U+2067"),
        ("שלום\u2069\u2066 x", "U+2069"),
        ("\u2067שלום\nעולם\u2069", "U+2067"),
        # Overrides, which reverse letters
        ("שלום \u202ex\u202c", "U+202E"),
        ("שלום \u202bx\u202c", "U+202B"),
        # Marks have no place in code
        ("`שלום\u200f;`", "U+200F"),
        ("```sql\n'שלום\u2066' -- \u2069\n```", "U+2066"),
    ],
)
def test_direction_marks_that_may_deceive_are_shown(text: str, shown: str) -> None:
    assert shown in text_of(html_of(text))
    if not text.startswith("`"):
        assert shown in text_of(render_question(text).html)
        assert shown in rendering.spelled(text)


def test_where_no_element_may_stand_they_are_spelled_out() -> None:
    assert rendering.spelled("a\u202e<b>\u200b\u200b & می\u200cخواهم") == "a[U+202E]<b>[U+200B ×2] & می\u200cخواهم"
    assert rendering.visible("a\u202e<b>\r\n") == (
        'a<span class="hidden-character" title="U+202E RIGHT-TO-LEFT OVERRIDE">U+202E</span>&lt;b&gt;\n'
    )


def test_a_hidden_character_says_its_name() -> None:
    span = '<span class="hidden-character" title="U+202E RIGHT-TO-LEFT OVERRIDE">U+202E</span>'
    assert span in html_of("a\u202eb")
    assert span in html_of("```\na\u202eb\n```")
    assert span in render_question("a\u202eb").html


ROW = "| " + " | ".join(f"**{n}** [q](https://a.example/{n})" for n in range(14)) + " |\n"
REAL = {
    "a table of 40 rows and 14 columns": "|" + " a |" * 14 + "\n|" + "---|" * 14 + "\n" + ROW * 40,
    "a report of 20,000 characters": "## H\n\nSome *text*, **bold**, `code`, https://a.example/x.\n\n- a\n  - b\n\n"
    * 280,
    "a list of 200 links": "".join(f"- item {n} [link](https://a.example/{n}) **bold**\n" for n in range(200)),
    "300 lines of SQL": "```sql\n" + "SELECT a, count(*) FROM t WHERE x = 'y' -- c\n" * 300 + "```",
    "a book": "Lorem ipsum dolor sit amet, *consectetur* adipiscing elit, sed do eiusmod tempor.\n\n" * 1_800,
}


@pytest.mark.parametrize("name", REAL)
def test_real_answers_are_formatted(name: str) -> None:
    assert_is_safe(html_of(REAL[name]))


N = 200_000
SHAPES = {
    **{repr(unit): unit * (N // len(unit)) for unit in (
        "[", "]", "![", "[a](", "[a][", "](", "*", "**", "_", "`", "~~", "*a", "*_", "a**b", "*a_b", "<", "&",
        "&amp;", '"',
        "\\", "<br>", "http://", "https://a.example ", "a@b.example ", "<a@b.example>", "a", " ", "\t", "\n", " \n",
        "a\n",
        "a\n\n", "- ", "- a\n", "1. ", "1. a\n", "> ", "> a\n", "#", "# a\n", "-", "---\n", "=\n", "|", "|a", "| a\n",
        "|-|\n", "`a` ", "``a` ", "```\n", "```\na\n```\n", "~~~\n", "[a]: https://a.example\n", "[a]", "\u202e",
        "\u202e\u200b",
        '\u202e"', "é", "(", "[a](b(", '[a](b "', "*a* ", "[ ] ", "  \n", "a  \n", "'", "<a ", "<!--", "\ud800",
    )},
    "20,000 [": "[" * 20_000,
    "5,000 [a](": "[a](" * 5_000,
    "many paragraphs of [": ("[" * 1_500 + "\n\n") * 130,
    "1,300 numbers": "1. " * 1_300,
    "a staircase of lists": "\n".join("  " * n + "- a" for n in range(400)),
    "a staircase of quotes": "\n".join("> " * n + "a" for n in range(400)),
    "lists in quotes": "> - " * 5_000,
    "10,000 rows": "|a|b|\n|-|-|\n" + "|1|2|\n" * 10_000,
    "2,000 columns": ("|" + "a|" * 2_000 + "\n") + "|" + "-|" * 2_000 + "\n" + ("|" + "a|" * 2_000 + "\n") * 20,
    "wide rows of ticks": "|a|b|\n|-|-|\n" + ("|`" * 8_000 + "\n") * 10,
    "references": "\n".join(f"[{n}]: https://a.example/{n}\n[{n}]" for n in range(4_000)),
    "nested emphasis": "*a **b " * 3_000 + " c** d*" * 3_000,
    "nested brackets": "[" * 4_000 + "a" + "](https://a.example)" * 4_000,
    **{f"{name} of {unit!r}": f"```{name}\n" + (unit * 20_000)[:19_000] + "\n```" for name, unit in (
        ("diff", "a"), ("html", "<!--"), ("javascript", "a."), ("yaml", "`"), ("python", "\n "), ("sql", "/*\n"),
        ("bash", "$(\n"),
    )},
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_no_text_costs_more_than_a_bounded_time(name: str) -> None:
    text = SHAPES[name]
    began = time.thread_time()
    rendered = render_answer(text)
    assert time.thread_time() - began < 3
    if rendered.plain_because and "\u202e" not in text and "\ud800" not in text:
        assert text_of(rendered.html) == text


BLANKS = " " * 19_000


@pytest.mark.parametrize(
    "text",
    [
        f"a{BLANKS}b", f"a{BLANKS}\nb", f"[a]({BLANKS}x", f"[a](b{BLANKS}\"c", f"[a]({BLANKS}b{BLANKS[:900]}'c' d)",
        f"[a]:{BLANKS}b\n[a]", f"[a]: b{BLANKS}c [a]", f"-{BLANKS}x", f"- a{BLANKS}- b", f"1.{BLANKS}x\n{BLANKS}y",
        f"#{BLANKS}x{BLANKS[:900]}#", f"-{BLANKS}-x", f"```{BLANKS}x", f"|{BLANKS}|\n|-{BLANKS}|x", f"a\n-{BLANKS}x",
        f">{BLANKS}x", f"[^1]\n\n[^1]:{BLANKS}x", f"<https://a.example{BLANKS}>", f"`{BLANKS}", f"*{BLANKS}*a",
        f"![a]({BLANKS}b", f"[a]{BLANKS}[b]", f"a{BLANKS}<br{BLANKS[:900]}>", f"https://a.example/{{{BLANKS}}}",
        "\\" * 19_000, "`a" * 9_000, "``a`" * 4_500, "(" * 19_000, "[a](" + "(a)" * 6_000, "www." * 4_500,
    ],
    ids=range(30),
)  # fmt: skip
def test_blanks_between_all_parts_cost_next_to_nothing(text: str) -> None:
    began = time.thread_time()
    render_answer(text)
    assert time.thread_time() - began < 0.4


def test_what_is_too_long_is_plain_whatever_it_is() -> None:
    text = "**a** \n" * 500_000
    began = time.thread_time()
    rendered = render_answer(text)
    assert time.thread_time() - began < 3
    assert rendered.plain_because == "This answer is too long to format, so it is shown as plain text."
    assert rendered.html == f'<div class="plain">{text}</div>'


def test_what_is_too_costly_is_plain_and_says_so() -> None:
    rendered = render_answer("<b>\u202e" + "[" * 20_000)
    assert rendered.plain_because == "This answer is too intricate to format, so it is shown as plain text."
    assert rendered.html.startswith('<div class="plain">&lt;b&gt;<span class="hidden-character"')
    assert_is_safe(rendered.html)


def test_what_breaks_the_parser_is_plain_and_logged_without_a_word_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("secret")

    monkeypatch.setattr(rendering.parser, "parse", broken)
    with caplog.at_level(logging.DEBUG):
        rendered = render_answer("secret *a*")
    assert rendered == ('<div class="plain">secret *a*</div>', rendering.BROKEN)
    assert "secret" not in caplog.text
    assert "ValueError" in caplog.text


def test_reasons_fit_their_column() -> None:
    assert all(len(reason) <= 200 for reason in (rendering.TOO_LONG, rendering.TOO_COSTLY, rendering.BROKEN))


def test_threads_do_not_disturb_each_other() -> None:
    answers = [f"## {n}\n- **{n}** [x](https://a.example/{n})\n\n```sql\nSELECT {n}\n```" for n in range(8)]
    expected = [render_answer(answer) for answer in answers]
    wrong: list[int] = []

    def render(number: int) -> None:
        for _ in range(20):
            if render_answer(answers[number]) != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=render, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


PIECES = st.one_of(
    st.sampled_from(
        [
            "*",
            "**",
            "_",
            "`",
            "```",
            "~~",
            "~~~",
            "[",
            "]",
            "(",
            ")",
            "![",
            "](",
            "<",
            ">",
            "<b>",
            "</b>",
            "<br>",
            "<script>",
        ]
    ),
    st.sampled_from(
        ["&", "&amp;", "&#x202e;", "#", "##", "-", "1.", "2)", "|", "|---|", "\\", ":", "=", "---", "\t", "[ ]"]
    ),
    st.sampled_from(
        ["https://a.example", "javascript:", "mailto:a@b.example", "[a]: https://b.example", "klzzwxh:0000"]
    ),
    st.sampled_from(["\u202e", "\u200b", "\x02", "\x03", "code:0", "\x02code:0\x03", "&#2;", '"', "'", "onclick=x"]),
    st.sampled_from(
        [" ", "  ", "    ", "\n", "\n\n", "\n  - ", "\n   1. ", "\n| a | b |\n|--|-:|\n", "\n```sql\n", "\n> "]
    ),
    st.text(max_size=5),
)


@given(st.lists(PIECES, max_size=30).map("".join))
@settings(max_examples=250, deadline=None, derandomize=True)
def test_whatever_the_markdown_it_is_safe(text: str) -> None:
    made = html_of(text)
    assert_is_safe(made)
    assert_nh3_agrees(made)


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_whatever_the_text_it_is_safe(text: str) -> None:
    for made in (render_answer(text).html, render_question(text).html):
        assert_is_safe(made)


WORDS = st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8), max_size=20)


@given(WORDS, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_word_is_lost(words: list[str], chance: random.Random) -> None:
    text = "".join(
        word + chance.choice([" ", "\n", "\n\n", "\n- ", " * ", " <", "> ", " **", "] ", "`", "|"]) for word in words
    )
    shown = text_of(html_of(text))
    assert [character for character in shown if character.isalnum()] == [
        character for character in text_of(render_question(text).html) if character.isalnum()
    ]


def test_no_hidden_character_stands_in_the_planes_left_out() -> None:
    """The module goes through three of the planes only, because that is done whenever a process starts."""
    left_out = {chr(point) for point in range(sys.maxunicode + 1)} - set(characters._PLANES)
    assert {unicodedata.category(character) for character in left_out} <= {"Lo", "Co", "Cn"}
    assert {unicodedata.bidirectional(character) for character in left_out} <= {"L", ""}
