"""A thread within the list that a reader came from: what was searched for in it, and what stands next to it there."""

from typing import Any

from conversations import archive, marking, terms
from conversations.archive import CannotShow
from conversations.forms import ListForm
from conversations.models import Conversation
from conversations.rendering import trusted
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request

_OF_THE_LIST = ("q", "credential", "sort")


def of(request: Request, conversation: Conversation) -> dict[str, Any]:
    """For _within.html and _find.html; marks the words in the messages: those of `find` before those of the list's `q`.

    What makes no sense in the address is left out.
    """
    find = request.GET.get("find", "").strip()
    given = {name: value for name, value in request.GET.items() if name in _OF_THE_LIST}
    try:
        query = ListForm(Credential.objects.of(request.user), given).query()
        finder = archive.finder(request.user, query.credentials, query.asked, query.stretch.order)
    except CannotShow:
        return {"find": find}
    sought = terms.read(find) if find else query.asked
    wanted = [text for text in sought.texts if not text.is_negated]
    marks = 0
    for message in conversation.thread if wanted else ():
        html = marking.marked(message.html, wanted)
        marks += html.count("<mark>")
        message.html = trusted(html)
    previous, following = finder.neighbours(conversation)
    within = request.GET.copy()
    for name in set(within) - set(_OF_THE_LIST):
        del within[name]
    return {
        "asked": query.asked,
        "find": find,
        "kept": list(given.items()),
        "marks": marks,
        "within": within.urlencode(),
        "previous": previous,
        "following": following,
    }
