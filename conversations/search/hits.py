"""Matches of a search within each conversation of a list."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.core.cache import cache

from conversations.models import Action, EvidenceRight, EvidenceRights, Job, Message, Reader
from conversations.rendering import is_in_code, plain
from conversations.search import highlight
from conversations.search.highlight import Match, Piece
from conversations.search.shown_row import ShownRow
from conversations.search.syntax import Asked, Text

# Most messages that are shown of one conversation, and most of its messages that are searched for matches.
MAX_HITS = 3
_MAX_MESSAGES_READ = 400
_KEPT_SECONDS = 3600
# Characters on either side of a match that a snippet is cut from.
_NEAR_CHARS = 1500
# Number of different texts that a message holds; its position, role and text; and the matches.
_Found = tuple[int, int, str, str, list[Match]]
_ROLES = {"user": "question", "assistant": "answer"}


@dataclass(frozen=True)
class Hit:
    """A message with matches; `pieces` is the snippet around them."""

    position: int
    role: str
    pieces: list[Piece]


@dataclass(frozen=True)
class QueryHit:
    """A query whose name or fields match: the position of its message, and its number there."""

    position: int
    number: int
    pieces: list[Piece]


@dataclass
class Hits:
    """Matches in one conversation. `title` is its title in pieces; `queries` are the queries that match."""

    title: list[Piece]
    shown: list[Hit] = field(default_factory=list)
    more: int = 0
    queries: list[QueryHit] = field(default_factory=list)
    # True if the title alone holds everything that was sought.
    is_title_found: bool = False

    @property
    def opens_at(self) -> int | None:
        """Return the position of the first match, at which the conversation opens; None: at its beginning."""
        if self.is_title_found:
            return None
        return next(iter([*(hit.position for hit in self.shown), *(hit.position for hit in self.queries)]), None)


def collect(reader: Reader, conversations: Sequence[ShownRow], asked: Asked) -> dict[int, Hits]:
    """Return the matches by the conversations' keys: these stand on a page, and the reader may read them."""
    wanted, is_in_title = asked.wanted, _in(asked, "name")
    found = {row.pk: Hits(highlight.pieces(row.title, wanted if is_in_title else [])) for row in conversations}
    if not wanted:
        return found
    for row in conversations:
        found[row.pk].is_title_found = is_in_title and highlight.has_all(row.title, wanted)
    for pk, (shown, more) in _in_messages(conversations, asked).items():
        found[pk].shown, found[pk].more = shown, more
    if _in(asked, "query"):
        bare = _bare(conversations, found)
        if bare:
            _add_queries(reader, bare, found, wanted)
    return found


def may_have_queries(conversations: Sequence[ShownRow], found: dict[int, Hits], asked: Asked) -> bool:
    """Return whether `collect` looked for matches in queries of these."""
    return bool(asked.wanted) and _in(asked, "query") and bool(_bare(conversations, found))


def _bare(conversations: Sequence[ShownRow], found: dict[int, Hits]) -> list[ShownRow]:
    """Return the conversations whose messages do not match: nothing else could be shown of these."""
    return [row for row in conversations if not found[row.pk].shown and row.revision]


# Matches in the messages of a conversation, and the number of further messages that match.
_Matches = tuple[list[Hit], int]


def _in_messages(conversations: Sequence[ShownRow], asked: Asked) -> dict[int, _Matches]:
    """Return the matches in messages, from the cache where the same words were sought in the same wording before."""
    sought = repr((asked.wanted, sorted(asked.places)))
    names = {
        row.pk: f"hits-{hashlib.sha256(f'{row.pk} {row.version} {row.revision} {sought}'.encode()).hexdigest()}"
        for row in conversations
        if row.revision
    }
    stored: dict[str, _Matches] = cache.get_many(names.values())
    made = _search([row for row in conversations if row.pk in names and names[row.pk] not in stored], asked)
    if made:
        cache.set_many({names[pk]: matches for pk, matches in made.items()}, _KEPT_SECONDS)
    return made | {pk: stored[name] for pk, name in names.items() if name in stored}


def _search(conversations: Sequence[ShownRow], asked: Asked) -> dict[int, _Matches]:
    """Search the messages of these conversations."""
    if not conversations:
        return {}
    wanted = asked.wanted
    revisions = {row.pk: row.revision for row in conversations}
    of_these = Message.objects.filter(conversation__in=revisions, position__lte=_MAX_MESSAGES_READ)
    rows = of_these.order_by("conversation", "position").values_list(
        "conversation_id", "position", "role", "text", "revision"
    )
    best: dict[int, list[_Found]] = defaultdict(list)
    count: Counter[int] = Counter()
    for pk, position, role, text, revision in rows.iterator(chunk_size=500):
        # The reader's token has not been shown messages that changed later.
        if revision > revisions[pk] or not _in(asked, _ROLES.get(role, "answer")):
            continue
        matched = highlight.matches(text, wanted)
        if matched:
            different = len({match.number for match in matched})
            best[pk] = _best([*best[pk], (different, position, role, text, matched)])
            count[pk] += 1
    return {pk: (_hits(best[pk], wanted), count[pk] - len(best[pk])) for pk in revisions}


def _hits(told: list[_Found], wanted: Sequence[Text]) -> list[Hit]:
    in_turn = sorted(told, key=lambda row: row[1])
    return [Hit(place, role, _snippet(role, text, matched, wanted)) for _, place, role, text, matched in in_turn]


def _in(asked: Asked, place: str) -> bool:
    return not asked.places or place in asked.places


def _best(told: list[_Found]) -> list[_Found]:
    """Return the messages that hold most of the search first; of equal ones, the earlier."""
    return sorted(told, key=lambda row: (-row[0], row[1]))[:MAX_HITS]


def _snippet(role: str, text: str, matched: Sequence[Match], wanted: Sequence[Text]) -> list[Piece]:
    """Return a snippet of a question as typed, of an answer without Markdown unless the match is in that markup."""
    if role == Message.Role.USER:
        return highlight.snippet(text, matched)
    hit = matched[highlight.densest(matched)]
    start = text.rfind("\n", 0, max(hit.start - _NEAR_CHARS, 0)) + 1
    end = text.find("\n", hit.end + _NEAR_CHARS)
    near = plain(text[start : end if end >= 0 else len(text)], begins_in_code=is_in_code(text[:start]))
    again = highlight.matches(near, wanted)
    if not again:
        return highlight.snippet(text, matched)
    shown = highlight.snippet(near, again)
    return [Piece("… "), *shown] if start and shown[0].text != "… " else shown


def _add_queries(reader: Reader, conversations: Sequence[ShownRow], found: dict[int, Hits], wanted: list[Text]) -> None:
    """Add the queries that match in these conversations."""
    bare = {row.pk: row for row in conversations}
    answers = Message.objects.filter(conversation__in=bare).exclude(job_id=None).order_by("position")
    places: dict[UUID, list[tuple[ShownRow, int]]] = defaultdict(list)
    for pk, job_id, position, revision in answers.values_list("conversation_id", "job_id", "position", "revision"):
        if job_id is not None and revision <= bare[pk].revision:
            places[job_id].append((bare[pk], position))
    jobs = {
        job.pk: job
        for job in Job.objects.with_ids((row.instance, key) for key, told in places.items() for row, _ in told)
    }
    through = {row.token_key for row in conversations}
    rights = EvidenceRights([token for token in reader.tokens if token.pk in through], list(places))
    for action in Action.objects.filter(job__in=jobs, is_query=True).in_turn():
        job = jobs[action.job_id]
        for conversation, position in places[job.omni_id]:
            is_its_own = job.may_belong_to(conversation.instance, conversation.omni_id)
            if not is_its_own or len(found[conversation.pk].queries) >= MAX_HITS:
                continue
            if rights.right_to(job.omni_id, job.finished_at, conversation.token_key) is not EvidenceRight.SHOWN:
                continue
            pieces = next(_of_query(action, job, wanted), None)
            if pieces:
                found[conversation.pk].queries.append(QueryHit(position, action.number, pieces))


def _of_query(action: Action, job: Job, wanted: Sequence[Text]) -> Iterator[list[Piece]]:
    """Yield a snippet of the query's name, of its fields as people read them, and of all of it, where they match."""
    fields = action.query_fields
    name = f"{action.title} · {job.topic}" if job.topic else action.title
    for text in (name, f"{action.title}: {fields.table}. {fields.on_a_line}", action.query_json):
        matched = highlight.matches(text, wanted)
        if matched:
            yield highlight.snippet(text, matched)
