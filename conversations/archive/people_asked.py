"""People whose names are among the words of a search: the index holds texts, and no names of people."""

from typing import NamedTuple

from conversations.archive import people
from conversations.models import Access, Reader
from conversations.search import facets
from conversations.search.syntax import Asked

# Most people that an empty page offers.
_MAX_PEOPLE = 3


class PersonAsked(NamedTuple):
    """A person, and the query for what they asked, with the words that are no part of the name."""

    name: str
    query: str


def named(reader: Reader, asked: Asked) -> list[PersonAsked]:
    """Return the people who are named most fully, of those who asked something that the reader may see."""
    rows = Access.objects.rows_of(reader).each_once(reader)
    owners = {owner for owner, _ in facets.owners(rows, most=None)}
    names = people.names(reader.user, owners, reader.tokens)
    typed = asked.plain.split()
    said = {
        owner: [word for word in typed if not word.startswith("-") and people.is_word_of(name, word)]
        for owner, name in names.items()
    }
    most = max(map(len, said.values()), default=0)
    if not most:
        return []
    best = sorted((owner for owner, words in said.items() if len(words) == most), key=lambda owner: names[owner])
    filters = people.as_filters(reader, best[:_MAX_PEOPLE])
    return [
        PersonAsked(
            names[owner],
            " ".join(
                [
                    *map(str, asked.replaced("owner", filters[owner]).filters),
                    *(word for word in typed if word not in said[owner]),
                ]
            ),
        )
        for owner in best[:_MAX_PEOPLE]
    ]
