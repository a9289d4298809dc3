"""Sessions of people: their beginning, lifetime and end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Unpack

from django.conf import settings
from django.contrib.auth import SESSION_KEY, login, logout
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse

from omniviewer.accounts.models import User
from omniviewer.audit import trail
from omniviewer.audit.models import OK, Event, Kind
from omniviewer.operations.front import is_by_person, is_navigation

GetResponse = Callable[[HttpRequest], HttpResponse]
_BY, _BEGAN, _SEEN = "signed_in_by", "began_at", "seen_at"
# Session key of the address to which somebody was sent after signing in.
_ARRIVING = "arriving_at"
# Minimum seconds between two updates of the last activity, to save writes.
_NOTED_EVERY = 60


def begin(request: HttpRequest, user: User, *, by: str) -> None:
    """Sign somebody in, under a new session key. `by`: "password", "oidc", "saml", "proxy" or "demo"."""
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.cycle_key()  # Django leaves it alone where the same person signs in again
    now = int(time.time())
    request.session.set_expiry(None)  # OMNIVIEWER_SESSION_HOURS from now
    request.session[_BY] = by
    request.session[_BEGAN] = request.session[_SEEN] = now
    trail.record(request, Kind.SIGNED_IN, user=user, by=by)


def end(request: HttpRequest, *, why: str = OK) -> None:
    """Sign out here, in this browser. `why`, for the audit log: in one word, if not because somebody wanted it."""
    if request.user.is_authenticated:
        trail.record(request, Kind.SIGNED_OUT, result=why, by=signed_in_by(request))
    logout(request)


def note_arrival(request: HttpRequest, target: str) -> None:
    """Remember the address after signing in: a sign-in form of the provider may submit itself."""
    request.session[_ARRIVING] = target


def arrives(request: HttpRequest) -> bool:
    """Return whether somebody comes to this address by a link, or from signing in on the way there."""
    is_target = request.session.get(_ARRIVING) == request.get_full_path()
    if is_target:
        del request.session[_ARRIVING]
    return is_by_person(request) or (is_target and is_navigation(request))


def began(request: HttpRequest) -> datetime:
    """Return when this session began."""
    return datetime.fromtimestamp(request.session.get(_BEGAN, time.time()), UTC)


def record_once(request: HttpRequest, kind: Kind, **about: Unpack[trail.About]) -> None:
    """Write an event of reading, unless this person has it already in this session: for a part of what they opened."""
    if not Event.objects.of(request.user.pk).of_reading(kind, about.get("conversation_id"), began(request)).exists():
        trail.record(request, kind, **about)


@dataclass(frozen=True)
class Stored:
    """A stored session of a person: no key, and nothing else that opens it."""

    pk: str
    by: str
    began_at: datetime | None
    seen_at: datetime | None
    expires_at: datetime


def stored_of(user: User) -> list[Stored]:
    """Return a person's sessions. Whose a session is stands within its data alone, so each is read."""
    found = []
    for row in Session.objects.iterator():
        data = row.get_decoded()
        if data.get(SESSION_KEY) == str(user.pk):
            times = (data.get(name) for name in (_BEGAN, _SEEN))
            began, seen = (datetime.fromtimestamp(at, UTC) if at else None for at in times)
            found.append(Stored(row.session_key, str(data.get(_BY, "")), began, seen, row.expire_date))
    return found


def delete(stored: list[Stored]) -> None:
    """Delete these sessions."""
    Session.objects.filter(pk__in=[session.pk for session in stored]).delete()


def signed_in_by(request: HttpRequest) -> str:
    return str(request.session.get(_BY, ""))


def expire(get_response: GetResponse) -> GetResponse:
    """End a session after `OMNIVIEWER_SESSION_HOURS`, or after `OMNIVIEWER_IDLE_MINUTES` without activity."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            if _is_over(request):
                end(request, why="expired")
            elif time.time() - request.session.get(_SEEN, 0) >= _NOTED_EVERY and not _is_by_itself(request):
                request.session[_SEEN] = int(time.time())
        return get_response(request)

    return middleware


def _is_over(request: HttpRequest) -> bool:
    now, session = time.time(), request.session
    began = session.setdefault(_BEGAN, int(now))
    seen = session.setdefault(_SEEN, int(now))
    if now - began >= settings.SESSION_COOKIE_AGE or now - seen >= settings.SESSION_IDLE:
        return True
    # Signing in by password has been switched off since.
    return session.get(_BY) == "password" and not settings.LOCAL_LOGIN


def _is_by_itself(request: HttpRequest) -> bool:
    """Return whether an open page sent this request to renew itself, which is no activity of the reader."""
    return request.headers.get("HX-Request") == "true"
