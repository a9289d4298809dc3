"""Completion of the search box: filters, people, topics, tickets, days; in the palette, conversations by their titles.

Only what the reader may read is offered.
"""

from collections.abc import Iterable

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from conversations.archive import people
from conversations.models import Access, Owner, Reader
from conversations.models.access import AccessQuerySet
from conversations.search import completion, facets, syntax
from conversations.search.completion import Completion, Typed
from conversations.search.finder import Finder, Stretch
from conversations.search.narrowing import Scope
from conversations.search.question import Fact
from conversations.search.syntax import MAX_QUERY_CHARS, Asked, Filter
from conversations.templatetags.moments import ago
from omniviewer.accounts.requests import Request, site_path

# Most completions at once.
_MAX = 9
# Most conversations among them.
_MAX_TITLES = 5
# Letters of a word from which people and topics are offered for it.
_MIN_CHARS = 2


@require_safe
def complete(request: Request) -> HttpResponse:
    """Render what may complete the text of a search box up to its caret."""
    if not request.htmx:
        return redirect(site_path("/conversations/"))
    text = request.GET.get("q", "").replace("\0", " ")
    found: list[Completion] = []
    if len(text) <= MAX_QUERY_CHARS:
        reader = Reader.for_user(request.user)
        titles = _titles(reader, text) if "titles" in request.GET else []
        found = [*titles, *_completions(reader, Typed.of(text))]
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
            if any(len(name.value) >= _MIN_CHARS for name in typed.as_name()):
                others += _people(rows, scope, typed)
            if len(typed.value) >= _MIN_CHARS:
                others += _topics(rows, scope, typed)
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
    readings = [name for name in typed.as_name() if typed.name or len(name.value) >= _MIN_CHARS]
    begun: list[tuple[Typed, Owner, int]] = []
    for owner, number in counted:
        as_typed = next((row for row in readings if owner in names and row.begins(names[owner], owner.id)), None)
        if as_typed:
            begun.append((as_typed, owner, number))
    filters = people.as_filters(scope.reader, {owner for _, owner, _ in begun[:_MAX]})
    return [_person(row, names[owner], filters[owner], number) for row, owner, number in begun[:_MAX]]


def _person(typed: Typed, name: str, value: str, number: int) -> Completion:
    """Return the filter for a person, told by the name; where others have that name too, with the id beside it."""
    insert = f"{typed.before}{typed.minus}{Filter('owner', value)} "
    return Completion(insert, f"{typed.minus}{Filter('owner', name)}", value if value != name else "", _count(number))


def _titles(reader: Reader, text: str) -> list[Completion]:
    """Return the newest conversations whose titles hold the words that are typed, the last one as a beginning."""
    asked = syntax.read(text)
    words = asked.plain.split()
    if not reader.tokens or asked.filters or '"' in text or len(text.strip()) < _MIN_CHARS:
        return []
    finder = Finder(Scope(reader, syntax.read(f"in:name {' '.join(words)}*"), {}))
    rows = finder.page(Stretch()).rows[:_MAX_TITLES]
    return [Completion("", row.title, ago(row.updated_at), address=row.get_absolute_url()) for row in rows]


def _topics(rows: AccessQuerySet, scope: Scope, typed: Typed) -> list[Completion]:
    counted = facets.topics(facets.facts(rows, scope))
    return _made(typed, ((row.filter, row.text, row.count) for row in counted if typed.begins(row.text)))


def _made(typed: Typed, found: Iterable[tuple[Filter, str, int]]) -> list[Completion]:
    made = ((f"{typed.minus}{row}", text, number) for row, text, number in found)
    return [Completion(f"{typed.before}{text} ", text, meaning, _count(number)) for text, meaning, number in made]


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""
