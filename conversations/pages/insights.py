"""The insights: counts over what the reader may read, each leading to the list that it counts."""

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from conversations import tasks
from conversations.archive import insights, people
from conversations.archive.outcomes import CannotShow
from conversations.pages import list_context
from conversations.pages.errors import explain
from conversations.pages.insights_figures import Figures
from conversations.pages.insights_forms import PERIODS, InsightsForm
from omniviewer.accounts.models import Credential
from omniviewer.accounts.requests import Request


@require_safe
def page(request: Request) -> HttpResponse:
    credentials = Credential.objects.owned_by(request.user)
    form = InsightsForm(credentials, request.GET)
    try:
        query = form.query()
        found = insights.compute(request.user, query.credentials, query.period, query.owner)
    except CannotShow as error:
        return explain(request, error)
    tasks.nudge_sync()
    # Another credential than the chosen one may know more people.
    names = people.names(request.user, found.owners, None if query.credential else found.reader.tokens)
    covered = list_context.progress_and_coverage(request.user, query.credentials, found.walks)
    credential = str(query.credential.pk) if query.credential else ""
    figures = Figures(found, query.owner, credential, names, is_all_read=covered["coverage"].is_all)
    context = {
        "query": query,
        "credentials": credentials,
        "periods": PERIODS,
        "found": found,
        "notice": found.notice,
        "odd": [*query.odd, *found.odd],
        "figures": figures.all(),
        "last": figures.last,
        "zone": timezone.get_current_timezone_name(),
        **list_context.owners(query.credentials, query.owner),
        **covered,
    }
    return render(request, "conversations/insights/insights.html", context)
