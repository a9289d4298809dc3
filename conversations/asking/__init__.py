"""Asking Omni: never over its limit, never the same thing twice at once, and not for long where it is dead."""

from conversations.asking.budget import Left, Urgency, allowance, forget_unused, left, left_by_token
from conversations.asking.flight import once
from conversations.asking.question import ask, ask_with

__all__ = ["Left", "Urgency", "allowance", "ask", "ask_with", "forget_unused", "left", "left_by_token", "once"]
