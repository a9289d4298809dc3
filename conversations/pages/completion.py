"""Completion of the search box: filters, people, topics, tickets, days; only what the reader may read."""

from collections.abc import Iterable

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from conversations.archive import people
from conversations.models import Access, Reader
from conversations.models.access import AccessQuerySet
from conversations.search import completion, facets
from conversations.search.completion import Completion, Typed
from conversations.search.narrowing import Scope
from conversations.search.question import Fact
from conversations.search.syntax import MAX_QUERY_CHARS, Asked, Filter
from omniviewer.accounts.requests import Request, site_path

# Most completions at once.
_MAX = 9
# Letters of a word from which people and topics are offered for it.
_MIN_CHARS = 2


@require_safe
def complete(request: Request) -> HttpResponse:
    """Render what may complete the text of a search box up to its caret."""
    if not request.htmx:
        return redirect(site_path("/conversations/"))
    text = request.GET.get("q", "").replace("\0", " ")
    found = _completions(Reader.for_user(request.user), Typed.of(text)) if len(text) <= MAX_QUERY_CHARS else []
    return render(request, "conversations/list/_completions.html", {"completions": found[:_MAX]})


def _completions(reader: Reader, typed: Typed) -> list[Completion]:
    rows = Access.objects.rows_of(reader).each_once(reader)
    scope = Scope(reader, Asked(), {})
    if not reader.tokens:
        return completion.names(typed)
    match typed.name:
        case "owner":
            return _people(rows, scope, typed)
        case "topic":
            return _topics(rows, scope, typed)
        case "ticket":
            return _made(typed, ((row.filter, row.text, row.count) for row in facets.tickets(rows, scope, typed.value)))
        case "":
            others = completion.names(typed)
            if len(typed.value) >= _MIN_CHARS:
                others += [*_people(rows, scope, typed), *_topics(rows, scope, typed)]
            return others
    counted = facets.facts(rows, scope) if typed.name in ("state", "has") else {}
    return [
        Completion(
            f"{typed.before}{typed.minus}{typed.name}:{value} ",
            f"{typed.minus}{typed.name}:{value}",
            meaning,
            _count(counted.get(Fact(typed.name, value))),
        )
        for value, meaning in completion.values(typed)
    ]


def _people(rows: AccessQuerySet, scope: Scope, typed: Typed) -> list[Completion]:
    """Return the people who asked something that the reader may see, the most frequent first."""
    tokens = scope.reader.tokens
    counted = facets.owners(rows, most=None)
    names = people.names(scope.reader.user, {owner for owner, _ in counted}, tokens)
    begun = [row for row in counted if row[0] in names and typed.begins(names[row[0]], row[0].id)][:_MAX]
    filters = people.as_filters(scope.reader, {owner for owner, _ in begun})
    return _made(typed, ((Filter("owner", filters[owner]), names[owner], number) for owner, number in begun))


def _topics(rows: AccessQuerySet, scope: Scope, typed: Typed) -> list[Completion]:
    counted = facets.topics(facets.facts(rows, scope))
    return _made(typed, ((row.filter, row.text, row.count) for row in counted if typed.begins(row.text)))


def _made(typed: Typed, found: Iterable[tuple[Filter, str, int]]) -> list[Completion]:
    made = ((f"{typed.minus}{row}", text, number) for row, text, number in found)
    return [Completion(f"{typed.before}{text} ", text, meaning, _count(number)) for text, meaning, number in made]


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""
