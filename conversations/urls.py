"""Public addresses. They must never break, since tickets hold them for years."""

from django.urls import path
from django.views.generic import RedirectView

from conversations.pages import (
    charts,
    completion,
    credentials,
    evidence,
    exports,
    insights,
    links,
    removal,
    search_exports,
    storage,
    thread,
    tickets,
)
from conversations.pages import list as conversation_list

app_name = "conversations"

urlpatterns = [
    path("conversations/", conversation_list.conversations, name="conversations"),
    path("conversations/fresh/", conversation_list.fresh),
    path("conversations/facets/", conversation_list.facets),
    path("conversations/complete/", completion.complete),
    path("conversations/selected/", conversation_list.selected),
    path("conversations/all-read/", conversation_list.all_read),
    path("exports/", search_exports.exports, name="exports"),
    path("exports/<number:pk>/", search_exports.export, name="export"),
    path("exports/<number:pk>/remove/", search_exports.remove),
    path("exports/<number:pk>.zip", search_exports.file),
    path("credentials/", credentials.page, name="credentials"),
    path("credentials/connect/", credentials.connect, name="connect"),
    path("credentials/<number:pk>/", credentials.credential, name="credential"),
    path("credentials/<number:pk>/token/", credentials.replace_token, name="replace-token"),
    path("credentials/<number:pk>/default/", credentials.make_default, name="make-default"),
    path("credentials/<number:pk>/remove/", removal.remove, name="remove"),
    path("credentials/<number:pk>/hand-over/", removal.offer, name="offer"),
    path("credentials/offers/<number:pk>/", removal.answer, name="answer-offer"),
    path("credentials/removals/", removal.removals, name="removals"),
    path("credentials/<number:pk>/sync/", credentials.pause_sync),
    path("conversations/<uuid:omni_id>/fresh/", thread.fresh),
    path("conversations/<uuid:omni_id>/neighbours/", thread.neighbours),
    path("conversations/<uuid:omni_id>/", thread.conversation, name="conversation"),
    path("conversations/<uuid:omni_id>/messages/<number:position>/", thread.conversation, name="message"),
    path("conversations/<uuid:omni_id>/messages/<number:position>/evidence/", evidence.page, name="evidence"),
    path("conversations/<uuid:omni_id>/messages/<number:position>/evidence/keep/", evidence.keep),
    path("conversations/<uuid:omni_id>/messages/<number:position>/chart.png", charts.png),
    path("conversations/<uuid:omni_id>/messages/<number:position>/charts/", charts.charts),
    path("conversations/<uuid:omni_id>/messages/<number:position>/queries/<number:number>/", evidence.rows),
    path("conversations/<uuid:omni_id>/messages/<number:position>/queries/<number:number>.csv", evidence.rows_csv),
    path("conversations/<uuid:omni_id>/messages/<number:position>/queries/<number:number>.svg", charts.svg),
    path(
        "conversations/<uuid:omni_id>/messages/<number:position>/queries/<number:number>-<number:place>.svg", charts.svg
    ),
    path("conversations/<uuid:omni_id>/standings/", evidence.answer_statuses),
    path("conversations/<uuid:omni_id>/bundle/", exports.bundle_page),
    path("conversations/<uuid:omni_id>/star/", thread.star),
    path("conversations/<uuid:omni_id>/tickets/", tickets.add),
    path("conversations/<uuid:omni_id>/tickets/remove/", tickets.remove),
    path("conversations/<uuid:omni_id>.md", exports.export_thread, {"extension": "md"}),
    path("conversations/<uuid:omni_id>.json", exports.export_thread, {"extension": "json"}),
    path("conversations/<uuid:omni_id>.csv", exports.export_thread, {"extension": "csv"}),
    path("conversations/<uuid:omni_id>.html", exports.export_thread, {"extension": "html"}),
    path("conversations/<uuid:omni_id>.zip", exports.export_thread, {"extension": "zip"}),
    path("conversations/<uuid:omni_id>/print/", exports.print_page),
    path("conversations/<uuid:omni_id>/for-ticket.json", exports.for_ticket),
    path("conversations/<uuid:omni_id>/messages/<number:position>/for-ticket.json", exports.for_ticket),
    path("insights/", insights.page, name="insights"),
    path("insights/questions/", insights.questions, name="insights-questions"),
    path("insights/csv/", insights.csv, name="insights-csv"),
    path("stored/", storage.page),
    path("jobs/<uuid:job_id>/", links.job, name="job"),
    path("open", links.open_pasted, name="open"),
    path("open/", links.open_pasted),
    # Omni's own path: swap the host in a link and it works.
    path(
        "chat/<uuid:omni_id>",
        RedirectView.as_view(pattern_name="conversations:conversation", query_string=True),
    ),
    path(
        "chat/<uuid:omni_id>/",
        RedirectView.as_view(pattern_name="conversations:conversation", query_string=True),
    ),
]
