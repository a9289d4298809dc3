"""Terms of the search index: documents with places and facts, and questions to them."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field

from conversations.search.syntax import Asked, Text
from conversations.search.tokens import words

# Places of a document: the name from the list; questions and answers from the messages; queries from the evidence.
PLACES = ("name", "question", "answer", "query")
# Not a place of a document: known to all who may read the messages, in an earlier revision too.
TICKETS = "tickets"
# Stands between two messages, so that no phrase reaches from one into the other. A letter of no script.
BREAK = "\ue000"


@dataclass(frozen=True)
class Fact:
    """A property of a whole conversation; `kind` is the name of a filter."""

    kind: str
    value: str

    def is_known_from(self, places: frozenset[str]) -> bool:
        """Return whether the fact may be told to somebody who may look at these places of the document."""
        match self.kind, self.value:
            case "has", "ticket":
                return TICKETS in places
            case "state", "answered" | "unanswered":
                return "answer" in places
            case _:
                return "query" in places

    @property
    def mark(self) -> str:
        """Return a word that no text holds: a digest, since names and topics hold any character."""
        return f"{self.kind}\u00b7{hashlib.sha256(self.value.encode()).hexdigest()[:20]}"

    @classmethod
    def of_topic(cls, topic: str) -> "list[Fact]":
        """Return the facts by which a topic is found: by any of its words, and by all of it after a "="."""
        said = [word.text for word in words(topic)]
        return [cls("topic", f"={' '.join(said)}"), *(cls("topic", word) for word in dict.fromkeys(said))]

    @classmethod
    def asked_of_topic(cls, typed: str) -> "list[Fact]":
        """Return the facts that a typed topic requires; none if it holds no word."""
        whole, *parts = cls.of_topic(typed.removeprefix("="))
        return [whole] if typed.startswith("=") and parts else parts


@dataclass(frozen=True)
class Document:
    rowid: int
    places: dict[str, str]
    facts: frozenset[Fact]

    @property
    def marks(self) -> str:
        return " ".join(sorted(fact.mark for fact in self.facts))


@dataclass(frozen=True)
class Question:
    """A question to the index: all of `texts` in `places` (empty: any), a fact of each group, none of `no_facts`."""

    texts: tuple[Text, ...] = ()
    places: frozenset[str] = frozenset()
    facts: tuple[tuple[Fact, ...], ...] = ()
    no_facts: tuple[Fact, ...] = ()
    # True if nothing can match: then the index is not asked.
    never: bool = field(default=False)

    @classmethod
    def of(cls, asked: Asked, known_owners: Collection[str]) -> "Question":
        """Return the question for a typed query: its words, and its `state:`, `has:` and `topic:`.

        `known_owners`: the values of `owner:` that mean somebody; one that means nobody matches nothing.
        """
        wanted: dict[str, list[Fact]] = {}
        topics: list[tuple[Fact, ...]] = []
        unwanted: list[Fact] = []
        never = asked.is_nonsense
        for row in asked.filters:
            if row.name == "topic":
                facts = Fact.asked_of_topic(row.value)
                never |= not facts and not row.is_negated
                if row.is_negated:
                    unwanted += facts
                else:
                    topics += [(fact,) for fact in facts]
                continue
            if row.name == "owner":
                never |= row.value not in known_owners and not row.is_negated
                continue
            if row.name not in ("state", "has"):
                continue
            facts = [Fact(row.name, row.value)]
            if row.is_negated:
                unwanted += facts
            elif row.name == "has":  # all of them; of the others, either
                topics += [(fact,) for fact in facts]
            else:
                wanted.setdefault(row.name, []).extend(facts)
        groups = (*(tuple(facts) for facts in wanted.values()), *topics)
        return cls(asked.texts, asked.places, tuple(groups), tuple(unwanted), never)

    def __bool__(self) -> bool:
        return bool(self.texts or self.facts or self.no_facts)

    def within(self, places: frozenset[str]) -> "Question":
        """Return the question for documents of which only these places may be looked at.

        Text that can stand in none of them is not found, and counts as absent where it is unwanted. The same holds for
        facts: each is known from a place.
        """
        allowed = (self.places or frozenset(PLACES)) & places
        facts = tuple(tuple(fact for fact in group if fact.is_known_from(places)) for group in self.facts)
        is_impossible = any(not group for group in facts)
        texts = self.texts
        if not allowed:
            is_impossible |= any(not text.is_negated for text in texts)
            texts = ()
        unwanted = tuple(fact for fact in self.no_facts if fact.is_known_from(places))
        return Question(texts, allowed, facts, unwanted, never=self.never or is_impossible)

    @property
    def broadest(self) -> "Question":
        """Return a question that matches all that `within` any places matches: it leaves out the unwanted."""
        return Question(
            tuple(text for text in self.texts if not text.is_negated), self.places, self.facts, (), self.never
        )
