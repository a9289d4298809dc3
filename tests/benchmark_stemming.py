"""How differently the databases stem English: `python -m tests.benchmark_stemming`.

The words are those of this project's documentation, pages and sample data. FTS5's `porter` and PostgreSQL's `english`
each make groups of words that a search would take for one another; this counts where these groups differ, and how many
searches for a word in another form than it was written the prefix fallback finds.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import psycopg

from conversations.search.tokens import words
from conversations.search.word_forms import stem
from tests.postgresql import postgresql

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("README.md", ".docs/**/*.md", "conversations/README.md", "templates/**/*.html")
SAMPLE = "omniviewer/demo/stand_in/sample/*.py"
Groups = list[frozenset[str]]


def vocabulary() -> list[str]:
    """Return each English word of the sources once."""
    found: set[str] = set()
    for pattern in (*SOURCES, SAMPLE):
        for path in ROOT.glob(pattern):
            found |= {word.text for word in words(path.read_text())}
    return sorted(word for word in found if word.isascii() and word.isalpha() and len(word) > 2)


def by_sqlite(vocabulary: Iterable[str]) -> dict[str, str]:
    """Return the stem of each word by FTS5's `porter`."""
    numbered = dict(enumerate(vocabulary, start=1))
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize = 'porter ascii')")
        database.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(texts, 'instance')")
        database.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", numbered.items())
        return {numbered[row]: shared for shared, row in database.execute("SELECT term, doc FROM stems")}


def by_postgresql(vocabulary: Iterable[str]) -> dict[str, str]:
    """Return the stem of each word by the configuration `english`; "" for a stop word, which it leaves out."""
    with postgresql() as server, psycopg.connect(server.address) as connection:
        query = "SELECT word, (tsvector_to_array(to_tsvector('english', word)))[1] FROM unnest(%s::text[]) AS word"
        return {word: shared or "" for word, shared in connection.execute(query, [list(vocabulary)])}


def groups(stems: dict[str, str]) -> Groups:
    """Return the words that each stem stands for, where they are several."""
    found: dict[str, set[str]] = defaultdict(set)
    for word, shared in stems.items():
        if shared:
            found[shared].add(word)
    return [frozenset(group) for group in found.values() if len(group) > 1]


def pairs(found: Groups) -> set[tuple[str, str]]:
    """Return each search of another form: the word that is typed, and one of its group that is written."""
    return {(typed, written) for group in found for typed in group for written in group if typed != written}


def report() -> list[str]:
    known = vocabulary()
    porter, english = by_sqlite(known), by_postgresql(known)
    stop = [word for word in known if not english[word]]
    one, other = pairs(groups(porter)), pairs(groups(english))
    both = one & other
    differing = sorted({frozenset(pair) for pair in one ^ other}, key=sorted)
    other_stems = [word for word in known if english[word] and porter[word] != english[word]]
    lines = [
        f"{len(known):,} words, {len(stop)} of them stop words of PostgreSQL alone: {', '.join(stop[:12])}, …",
        f"{len(other_stems)} of the others have another stem: {', '.join(other_stems[:12])}, …",
        f"{len(one):,} searches of another form by porter, {len(other):,} by english, {len(both):,} by both",
        f"taken for each other by one alone: {', '.join('/'.join(sorted(pair)) for pair in differing[:24])}, …",
    ]
    for name, begins in (("as it is typed", str), ("without its ending", stem)):
        begun = {(typed, written) for typed, written in both if written.startswith(begins(typed))}
        share = len(begun) / len(both)
        lines.append(f"the word {name}, as a prefix, finds {len(begun):,} of these by both ({share:.0%})")
    begins_how_many = [sum(word.startswith(stem(typed)) for word in known) for typed in known]
    average = sum(begins_how_many) / len(known)
    lines.append(f"such a prefix begins {average:.1f} of these words on average, {max(begins_how_many)} at most")
    return lines


if __name__ == "__main__":
    print("\n".join(report()))  # noqa: T201
