"""A stand-in that answers chosen routes with chosen replies, and the rest as it always does."""

import base64
from collections.abc import Mapping
from typing import Any

from omniviewer.demo.stand_in import Fault, StandIn


def answer_with(omni: StandIn, routes: Mapping[str, Any]) -> None:
    """Answer each path below /api with its reply: JSON as it is, or `{"$status", "$type", "$headers", ...}`.

    The body of the latter stands under "$json", "$text" or, as Base64, "$b64". A longer path counts before a shorter
    one that it begins with.
    """
    for path in sorted(routes, key=len):
        omni.fail(_fault(routes[path]), path=path)


def _fault(reply: Any) -> Fault:
    if not isinstance(reply, dict) or not any(name.startswith("$") for name in reply):
        return Fault.body(reply)
    body = reply.get("$json", b"")
    if "$text" in reply:
        body = reply["$text"].encode()
    if "$b64" in reply:
        body = base64.b64decode(reply["$b64"])
    return Fault.status(reply.get("$status", 200), body, reply.get("$headers"), reply.get("$type", "application/json"))
