"""One request to Omni, with its circuit breaker, budget, logs and metrics."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings

from conversations.upstream import budget, circuit_breaker
from conversations.upstream.budget import Urgency
from omniviewer.accounts.encryption import Undecryptable, digest
from omniviewer.accounts.models import ApiToken
from omniviewer.omni import (
    BadAddress,
    CannotAsk,
    Client,
    NotSent,
    OmniError,
    RateLimited,
    Resting,
    Token,
    parse_address,
)
from omniviewer.operations import metrics, traces

Reply = TypeVar("Reply")
log = logging.getLogger("omniviewer.upstream")

# Seconds that a reader with nothing to read waits for the budget.
PATIENCE_SECONDS = 2.0


def token_of(api_token: ApiToken) -> Token:
    """Return the stored token. Raises `NotSent` if it cannot be decrypted."""
    try:
        return api_token.token
    except Undecryptable:
        log.error("a stored token cannot be decrypted: OMNIVIEWER_ENCRYPTION_KEYS lacks its key")  # noqa: TRY400
        raise NotSent(
            "The stored token cannot be decrypted with the keys in use. Replace the token, or ask the people who run "
            "this site to restore the earlier key.",
            outcome="undecryptable",
        ) from None


def send(api_token: ApiToken, route: str, call: Callable[[Client], Reply], urgency: Urgency) -> Reply:
    """Return the result of `call` with a client that speaks for the token. Raises `OmniError`.

    `route` is its name in logs and metrics.
    """
    host = api_token.instance
    token = token_of(api_token)
    trial = circuit_breaker.try_again(host)
    if trial.rest:
        raise Resting(outcome="resting", retry_after=trial.rest)
    try:
        reply = send_with(host, token, route, call, urgency)
    except RateLimited as error:
        if error.outcome == "budget":
            circuit_breaker.not_tried(host)
        else:
            circuit_breaker.answered(host)
        raise
    except NotSent:
        circuit_breaker.not_tried(host)
        raise
    except CannotAsk:
        circuit_breaker.failed(host)
        raise
    except OmniError:
        circuit_breaker.answered(host)
        raise
    if trial.has_failed:
        circuit_breaker.answered(host)
    return reply


def send_with(
    host: str, token: Token, route: str, call: Callable[[Client], Reply], urgency: Urgency = Urgency.WAITING
) -> Reply:
    """Ask like `ask`, for a token that is not stored yet, on an instance that may never have answered."""
    try:
        # Checked again at use: the setting may have been narrowed since the address was saved.
        parse_address(host, allowed=settings.OMNI_HOSTS, loopback=settings.DEMO)
    except BadAddress as error:
        raise NotSent(str(error), outcome="bad-address") from None
    known_as = digest(token)
    was_refused = _take(known_as, urgency)
    client = Client(
        host,
        token,
        timeout=settings.OMNI_TIMEOUT,
        max_body=settings.MAX_BODY,
        networks=settings.OMNI_NETWORKS,
        # A retry is a request like any other: a reader with something to read does without.
        may_retry=lambda: urgency is Urgency.WAITING and budget.spend(known_as, urgency) is None,
    )
    began = time.monotonic()
    outcome = "200"
    with traces.span() as span:
        try:
            reply = call(client)
        except RateLimited as error:
            outcome = error.outcome
            error.retry_after = budget.refused(known_as, error.retry_after)
            raise
        except OmniError as error:
            outcome = error.outcome
            raise
        else:
            if was_refused:
                budget.accepted(known_as)
        finally:
            span.name(f"Omni {route}", server__address=host, omni__route=route, omni__outcome=outcome)
            _tell(host, route, outcome, time.monotonic() - began)
    return reply


def _take(known_as: str, urgency: Urgency) -> bool:
    """Take one request from the budget, after a short wait if need be. Raises `RateLimited`.

    Return whether Omni has refused the token since it last accepted it.
    """
    patience = PATIENCE_SECONDS if urgency is Urgency.WAITING else 0.0
    taken = budget.take(known_as, urgency)
    until = time.monotonic() + patience
    while taken.wait is not None:
        if time.monotonic() + taken.wait > until:
            raise RateLimited.ours(taken.wait)
        time.sleep(taken.wait * random.uniform(1.0, 1.1))  # noqa: S311
        taken = budget.take(known_as, urgency)
    return taken.was_refused


def _tell(host: str, route: str, outcome: str, seconds: float) -> None:
    metrics.upstream(route, outcome, seconds)
    log.info("asked", extra={"host": host, "upstream": route, "outcome": outcome, "ms": round(seconds * 1000)})
