"""The addresses of SCIM."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from omniviewer.scim import discovery, groups, people, reading
from omniviewer.scim.messages import body_of, endpoint, left_out, list_of, not_found, page_of, respond


@endpoint("GET")
def service_provider_config(_request: HttpRequest) -> HttpResponse:
    return respond(discovery.SERVICE_PROVIDER_CONFIG)


@endpoint("GET")
def resource_types(_request: HttpRequest, name: str = "") -> HttpResponse:
    """Return the kinds of resources, or the one of this name."""
    return _described(discovery.RESOURCE_TYPES, name)


@endpoint("GET")
def schemas(_request: HttpRequest, name: str = "") -> HttpResponse:
    """Return the schemas, or the one of this name."""
    return _described(discovery.SCHEMAS, name)


@endpoint("GET", "POST")
def users(request: HttpRequest) -> HttpResponse:
    """Find people, or store one."""
    if request.method == "POST":
        row = people.create(request, reading.person(body_of(request)))
        return respond(people.told(request, row), HTTPStatus.CREATED)
    found = people.all_of(reading.filter_of(request.GET.get("filter", "")))
    return page_of(request, found, lambda row: left_out(request, people.told(request, row)))


@endpoint("GET", "PUT", "PATCH", "DELETE")
def user(request: HttpRequest, scim_id: str) -> HttpResponse:
    """Show, replace, change or deactivate a person."""
    match request.method:
        case "PUT":
            row = people.change(request, scim_id, reading.person(body_of(request)), is_whole=True)
        case "PATCH":
            row = people.change(request, scim_id, reading.person_changes(body_of(request)), is_whole=False)
        case "DELETE":
            people.delete(request, scim_id)
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        case _:
            row = people.get(scim_id)
    return respond(left_out(request, people.told(request, row)))


@endpoint("GET", "POST")
def all_groups(request: HttpRequest) -> HttpResponse:
    """Find groups, or store one."""
    if request.method == "POST":
        row = groups.create(request, reading.group(body_of(request)))
        return respond(groups.told(request, row), HTTPStatus.CREATED)
    found = groups.all_of(reading.filter_of(request.GET.get("filter", "")))
    with_members = "members" not in request.GET.get("excludedAttributes", "").lower()
    return page_of(request, found, lambda row: left_out(request, groups.told(request, row, with_members=with_members)))


@endpoint("GET", "PUT", "PATCH", "DELETE")
def group(request: HttpRequest, scim_id: str) -> HttpResponse:
    """Show, replace, change or delete a group."""
    match request.method:
        case "PUT":
            row = groups.change(request, scim_id, reading.group(body_of(request)), is_whole=True)
        case "PATCH":
            row = groups.change(request, scim_id, reading.group_changes(body_of(request)), is_whole=False)
        case "DELETE":
            groups.delete(request, scim_id)
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        case _:
            row = groups.get(scim_id)
    return respond(left_out(request, groups.told(request, row)))


@endpoint("GET", "POST", "PUT", "PATCH", "DELETE")
def nothing(_request: HttpRequest, _rest: str) -> HttpResponse:
    """Answer everything else, in the words of SCIM."""
    raise not_found("address")


def _described(rows: list[dict[str, object]], name: str) -> HttpResponse:
    if not name:
        return respond(list_of(rows, len(rows)))
    found = [row for row in rows if row["id"] == name]
    if not found:
        raise not_found("description")
    return respond(found[0])
