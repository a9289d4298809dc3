"""Trials of `check --live`: a worker takes a task, and the instances of Omni answer. No token is used."""

import time
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address

from django.conf import settings
from django_tasks_db.models import DBTaskResult

from conversations import tasks
from omniviewer.accounts.models import ApiToken
from omniviewer.omni import BadAddress, addresses, parse_address, probe
from omniviewer.operations.live import Finding, Live, Trial, fail, ok, warn

# Seconds for a worker to take a task: it looks every second, and may be at the end of its shift.
_PATIENCE_SECONDS = 25.0
_UNAUTHORIZED, _SERVER_ERROR = 401, 500


def _worker(_live: Live) -> Iterator[Finding]:
    """Queue a task that does nothing, before all others, and wait for its end."""
    began = time.monotonic()
    row = DBTaskResult.objects.get(pk=tasks.answer.enqueue().id)
    try:
        while time.monotonic() - began < _PATIENCE_SECONDS:
            row.refresh_from_db()
            if row.finished_at:
                yield ok(f"one took a task within {time.monotonic() - began:.0f} seconds")
                return
            time.sleep(0.2)
    finally:
        DBTaskResult.objects.filter(pk=row.pk).delete()
    busy = DBTaskResult.objects.running().count()
    if busy:
        yield warn(f"none was free for {_PATIENCE_SECONDS:.0f} seconds; {busy} tasks run", "Start another one.")
        return
    yield fail(
        f"none took a task within {_PATIENCE_SECONDS:.0f} seconds",
        "Start omniviewer worker, with the same DATABASE_URL. On SQLite, omniviewer serve brings one along.",
    )


def _omni(live: Live) -> Iterator[Finding]:
    """Ask each instance for a list without a token: a refusal shows that Omni's API is there."""
    instances, stored = [*live.instances], []
    if live.has_tables:
        stored = [*ApiToken.objects.order_by("instance").values_list("instance", flat=True).distinct()]
    own = [host for host in settings.OMNI_HOSTS if not addresses.is_umbrella(host)]
    for pasted in dict.fromkeys([*instances, *stored, *own]):
        yield from _instance(live, pasted, is_named=pasted not in own)
    if not (instances or stored or own):
        yield warn("no instance is known yet, so none was tried", "Name yours: --instance acme.omniapp.co.")


def _instance(live: Live, pasted: str, *, is_named: bool) -> Iterator[Finding]:
    is_local = settings.DEBUG or settings.DEMO
    try:
        host = parse_address(pasted, allowed=settings.OMNI_HOSTS, loopback=is_local)
    except BadAddress as error:
        yield fail(f"{pasted}: {str(error).rstrip('.')}", "Correct the name, or set OMNIVIEWER_OMNI_HOSTS.")
        return
    may_reach = partial(_may_reach, is_local=is_local)
    try:
        reply = live.get(host, f"{addresses.base_url(host)}/v1/ai/conversations?pageSize=1", may_reach=may_reach)
    except probe.Unreachable as error:
        yield _unreachable(host, error, is_named=is_named)
        return
    if reply.status == _UNAUTHORIZED:
        yield ok(f"{host} answers, and wants a token")
    elif reply.status >= _SERVER_ERROR:
        yield warn(f"{host} has a problem ({reply.status})", "Try again later.")
    else:
        yield warn(f"{host} answers {reply.status}, where Omni answers 401", "Look at the name: is this Omni?")


def _may_reach(address: str, *, is_local: bool) -> bool:
    if is_local and ip_address(address.partition("%")[0]).is_loopback:
        return True
    return addresses.is_public(address, settings.OMNI_NETWORKS)


def _unreachable(host: str, error: probe.Unreachable, *, is_named: bool) -> Finding:
    found = f"{host} cannot be reached: {error}"
    match error.outcome:
        case "private-address":
            return fail(found, "Set OMNIVIEWER_OMNI_NETWORKS to the network in which it is.")
        case "tls":
            return fail(found, "Set REQUESTS_CA_BUNDLE to the file of the company's own certificate authority.")
        case "no-such-host" if not is_named:
            return warn(found, "If it only stands for the hosts below it, name one: --instance.")
    return fail(found, "Look at the firewall, the DNS and HTTPS_PROXY.")


TRIALS = [Trial("worker", _worker, needs_tables=True), Trial("Omni", _omni)]
