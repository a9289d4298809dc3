"""Splitting text into words: each form of a word is found, and marked as it is written in the text."""

import time
import timeit
import unicodedata
from functools import partial

import pytest

from conversations.rendering import plain
from conversations.search import highlight, syntax
from conversations.search.tokens import MAX_WORD_CHARS, fold, words


def said(text: str) -> list[str]:
    return [word.text for word in words(text)]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Łęczyca", "leczyca"),
        ("Tromsø", "tromso"),
        ("Đà Nẵng", "da nang"),
        ("ÇIĞLI", "çığlı"),
        ("Cœur de Bœuf", "coeur de boeuf"),
        ("Ærø", "aero"),
        ("Seyðisfjörður Þórshöfn", "seydisfjordur thorshofn"),
        ("Għawdex ŦŊ ŧŋ", "ghawdex tn tn"),
        ("GROẞE", "grosse"),
        ("Əliyev", "eliyev"),
        ("Ǿre", "ore"),
        ("Ґданськ", "гданськ"),
        ("co\u00adop", "coop"),
        ("co\u200bop\u2060s\ufeff", "coops"),
        ("\u200eabc\u200f def", "abc def"),
        ("نمی\u200cدانم", "نميدانم"),
        ("کیک", "كيك"),
        ("مكتبة", "مكتبه"),
        ("\ufedf\ufe8e", "لا"),
        ("٢٠٢٦", "2026"),
        ("۲۰۲۶", "2026"),
        ("२०२६", "2026"),
        ("๒๕๖๙", "2569"),
        ("２０２６", "2026"),
        ("\u1109\u1165\u110b\u116e\u11af", "서울"),
        ("서\u110b\u116e\u11af", "서울"),
        ("ﾊﾟﾘ", "パリ"),
        ("か\u3099す", "がす"),
        ("ทํา", "ทำ"),
        ("⼈口", "人口"),
    ],
)
def test_it_works(text: str, same: str) -> None:
    assert said(text) == said(same)
    for form in ("NFC", "NFD"):
        assert said(unicodedata.normalize(form, text)) == said(same)
    wanted = syntax.read(same).wanted
    assert highlight.has_all(text, wanted)
    assert highlight.has_all(same, syntax.read(text).wanted)
    marked = [piece.text for piece in highlight.pieces(f"« {text} »", wanted) if piece.is_marked]
    # The marks cover the words exactly as they are written.
    assert "".join(marked).replace(" ", "") == text.replace(" ", "").strip("\u200e")


@pytest.mark.parametrize(
    ("text", "other"), [("lodz", "lodge"), ("on", "øl"), ("كتاب", "كتب"), ("가", "각"), ("ガ", "カ")]
)
def test_other_words_stay_others(text: str, other: str) -> None:
    assert said(text) != said(other)
    assert not highlight.has_all(f"x {text} x", syntax.read(f'"{other}"').wanted)


GROUPED = [
    "9,876,543",
    "9.876.543",
    "9 876 543",
    "9'876'543",
    "9’876’543",
    "9\u202f876\u202f543",
    "9\u00a0876\u00a0543",
]
GROUPED += [
    "98,76,543",
    "₹98,76,543",
    "9876543",
    "9_876_543",
    "९८,७६,५४३",
    "٩٬٨٧٦٬٥٤٣",
    "９，８７６，５４３",
    "$9,876,543.00",
    '"9 876 543"',
]


@pytest.mark.parametrize("text", GROUPED)
@pytest.mark.parametrize("typed", [typed for typed in GROUPED if not typed.endswith(".00")])
def test_a_number_is_found_however_it_is_grouped(text: str, typed: str) -> None:
    sentence = f"The sum is {text}, they say."
    wanted = syntax.read(typed).wanted
    assert highlight.has_all(sentence, wanted)
    marked = "".join(piece.text for piece in highlight.pieces(sentence, wanted) if piece.is_marked)
    # The mark covers the whole text, and no more.
    assert said(marked.replace(" ", "")) == said(text.strip('"').removesuffix(".00").replace(" ", ""))


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("9,876,543", "9876544"),
        ("9,876,543", "987654"),
        ("19,876,543", "9876543"),
        ("0.9876543", "0.987"),
        ("1,5", "15"),
        ("version 1.2.34", "1234"),
        ("in 2026 and 2027", "20262027"),
    ],
)
def test_another_number_is_not(text: str, typed: str) -> None:
    assert not highlight.has_all(f"It is {text}.", syntax.read(typed).wanted)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("12345.67", "12,345.67"),
        ("12.345,67", "12,345.67"),
        ("12,345.67", "12345.67"),
        ("1204500", "1204*"),
        ("1,204,500", "1204*"),
        ("1,204,500", "1,204,5*"),
        ("12,045", "1204*"),
        ("were 1234 orders", '"were 1,234 orders"'),
        ("were 1,234 orders", '"were 1234 orders"'),
    ],
)
def test_decimals_beginnings_and_phrases_likewise(text: str, typed: str) -> None:
    assert highlight.has_all(f"There {text}.", syntax.read(typed).wanted)


HEAPS = ["e" + "\u0301\u0323" * 100_000, "\u0e01" + "\u0e47" * 200_000, "\u00ad" * 200_000 + "x", "x" * 400_000 + "é"]
HEAPS += ["1 " * 100_000 + "é", "\u1100\u1161" * 50_000, "\ufdfa" * 50_000]


@pytest.mark.parametrize("text", HEAPS)
def test_no_text_takes_long_or_makes_a_long_word(text: str) -> None:
    began = time.process_time()
    found = said(text)
    assert all(len(word) <= MAX_WORD_CHARS for word in found)
    assert time.process_time() - began < 5


def test_folding_again_changes_nothing() -> None:
    text = "".join(map(chr, (*range(0x20, 0xD800), *range(0xE000, 0x1F000))))
    for letter in text:
        once = fold(letter)
        assert fold(once) == once, letter


def test_markdown_as_plain_text_takes_time_by_its_length() -> None:
    for mark in (
        "*a",
        "**a ",
        "`",
        "`a``b```",
        "[",
        "[x](",
        "[a](b ",
        "<https://",
        "_a",
        "|",
        "> ",
        "# ",
        "- [ ",
        "\\",
        "~~a",
    ):
        # Run without the garbage collector and take the best of three, so that a pause does not count as growth.
        short, long = (
            min(timeit.repeat(partial(plain, mark * count), number=1, repeat=3, timer=time.process_time))
            for count in (20_000, 80_000)
        )
        assert long < 12 * short + 0.1, mark
