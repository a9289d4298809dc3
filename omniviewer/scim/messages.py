"""Messages of SCIM: errors, lists, and the door that every request comes through."""

import functools
import hashlib
import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt

from omniviewer.accounts.sign_in import throttle
from omniviewer.audit import trail
from omniviewer.audit.models import Kind
from omniviewer.operations.front import client_network

BY = "scim"
_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_CONTENT_TYPE = "application/scim+json"
# Wrong tokens from one network that are answered and recorded within `throttle.WINDOW`.
_MAX_WRONG_TOKENS = 20
_RETRY_SECONDS = 10
# Resources of one page of a list.
_USUAL_COUNT, MAX_COUNT = 100, 200
_LARGEST = 2**31 - 1
# Attributes that every answer holds.
_ALWAYS = ("schemas", "id")

View = Callable[..., HttpResponse]
_log = logging.getLogger("omniviewer.scim")


class ScimError(Exception):
    """An error that the directory is told of. `scim_type`: its kind, by RFC 7644, 3.12."""

    def __init__(self, status: HTTPStatus, detail: str, scim_type: str = "") -> None:
        self.status = status
        self.detail = detail
        self.scim_type = scim_type
        super().__init__(detail)

    @property
    def response(self) -> HttpResponse:
        told = {"schemas": [_ERROR], "status": str(self.status.value), "detail": self.detail}
        return respond(told | ({"scimType": self.scim_type} if self.scim_type else {}), self.status)


def invalid(detail: str, scim_type: str = "invalidValue") -> ScimError:
    return ScimError(HTTPStatus.BAD_REQUEST, detail, scim_type)


def not_found(kind: str) -> ScimError:
    return ScimError(HTTPStatus.NOT_FOUND, f"There is no such {kind}.")


def taken(detail: str) -> ScimError:
    return ScimError(HTTPStatus.CONFLICT, detail, "uniqueness")


def respond(told: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    response = JsonResponse(told, status=status, content_type=_CONTENT_TYPE)
    if "location" in told.get("meta", {}):
        response.headers["Location"] = told["meta"]["location"]
    return response


def page_of(request: HttpRequest, rows: Any, told: Callable[[Any], dict[str, Any]]) -> HttpResponse:
    """Return the page of a list that the request asks for, by `startIndex` (from 1) and `count`."""
    start = max(_number(request, "startIndex", 1), 1)
    count = min(max(_number(request, "count", _USUAL_COUNT), 0), MAX_COUNT)
    found = [told(row) for row in rows[start - 1 : start - 1 + count]] if count else []
    return respond(list_of(found, rows.count(), start))


def list_of(found: list[dict[str, Any]], total: int, start: int = 1) -> dict[str, Any]:
    return {
        "schemas": [_LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(found),
        "Resources": found,
    }


def _number(request: HttpRequest, name: str, usual: int) -> int:
    text = request.GET.get(name, "")
    try:
        return max(min(int(text), _LARGEST), -_LARGEST) if text else usual
    except ValueError:
        raise invalid(f"{name} is not a whole number.") from None


def body_of(request: HttpRequest) -> dict[str, Any]:
    """Return the request's JSON object. Raises `ScimError`."""
    try:
        told = json.loads(request.body)
    except RequestDataTooBig:
        raise ScimError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large: send fewer members.") from None
    except (ValueError, RecursionError):
        raise invalid("The request is not JSON.", "invalidSyntax") from None
    if not isinstance(told, dict):
        raise invalid("The request is not a JSON object.", "invalidSyntax")
    return told


def endpoint(*methods: str) -> Callable[[View], View]:
    """Answer these methods of who carries a token; be nowhere at all where no token is set up."""

    def decorate(view: View) -> View:
        @login_not_required
        @csrf_exempt
        @functools.wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not settings.SCIM_TOKEN_HASHES:
                raise Http404
            # The directory acts, and nobody whose cookies came along.
            request.user = AnonymousUser()
            try:
                if refused := _refused(request):
                    return refused
                if request.method not in methods:
                    raise ScimError(HTTPStatus.METHOD_NOT_ALLOWED, f"This takes {', '.join(methods)} alone.")
                return view(request, *args, **kwargs)
            except ScimError as error:
                _log.info("scim request refused", extra={"status": error.status.value, "kind": error.scim_type})
                return error.response
            except IntegrityError:  # another request has stored the same at this moment
                return taken("This was changed by another request at the same moment.").response
            except (OperationalError, InterfaceError):
                _log.exception("scim request failed")
                away = ScimError(HTTPStatus.SERVICE_UNAVAILABLE, "The database is away or busy. Try again.").response
                away.headers["Retry-After"] = str(_RETRY_SECONDS)
                return away

        return answer

    return decorate


def _refused(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to who does not carry a token; None if they do."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    digest = hashlib.sha256(token.strip().encode()).hexdigest()
    # Compared with each, so that the time does not tell which.
    fits = [constant_time_compare(digest, known) for known in settings.SCIM_TOKEN_HASHES]
    if scheme.lower() == "bearer" and any(fits):
        return None
    if left := throttle.is_over(f"scim from {client_network(request)}", _MAX_WRONG_TOKENS, throttle.WINDOW):
        detail = f"Too many wrong tokens. Try again in {throttle.in_minutes(left)}."
        over = ScimError(HTTPStatus.TOO_MANY_REQUESTS, detail).response
        over.headers["Retry-After"] = str(int(left.total_seconds()) + 1)
        return over
    trail.record(request, Kind.REFUSED, result="wrong-token", by=BY)
    response = ScimError(HTTPStatus.UNAUTHORIZED, "The request carries no token that is valid here.").response
    response.headers["WWW-Authenticate"] = 'Bearer realm="SCIM"'
    return response


def left_out(request: HttpRequest, told: dict[str, Any]) -> dict[str, Any]:
    """Return a resource with the attributes that the request asks for alone: `attributes` or `excludedAttributes`."""
    wanted, unwanted = (_top_level(request.GET.get(name, "")) for name in ("attributes", "excludedAttributes"))

    def is_told(name: str) -> bool:
        return name in _ALWAYS or (name.lower() in wanted if wanted else name.lower() not in unwanted)

    return {name: value for name, value in told.items() if is_told(name)}


def _top_level(text: str) -> set[str]:
    """Return the attributes in a list, without the schema before a name and the part after it, in lower case."""
    words = (word.strip().rpartition(":")[2].partition(".")[0].lower() for word in text.split(","))
    return {word for word in words if word}
