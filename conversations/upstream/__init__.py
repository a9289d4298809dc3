"""Asking Omni: never over its limit, never the same thing twice at once, and not for long where it is dead."""

from conversations.upstream.budget import Left, Urgency, allowance, forget_unused, left, left_by_token
from conversations.upstream.request import ask, ask_with
from conversations.upstream.single_flight import once

__all__ = ["Left", "Urgency", "allowance", "ask", "ask_with", "forget_unused", "left", "left_by_token", "once"]
