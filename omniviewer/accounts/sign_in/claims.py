"""Read group names from the claims of identity providers."""

from typing import Any


def groups_in(claims: dict[str, Any], name: str) -> frozenset[str] | None:
    """Return the groups; None where the provider has too many to say which (Entra ID, from 200 on)."""
    said = _claim(claims, name)
    if said is None:
        elsewhere = claims.get("_claim_names")
        is_elsewhere = isinstance(elsewhere, dict) and _claim(elsewhere, name) is not None
        if is_elsewhere or claims.get("hasgroups") in (True, "true"):
            return None
    return groups(said)


def _claim(claims: object, name: str) -> object:
    """Return a claim by its name, or by the path to it within others: `realm_access.roles`.

    Names may hold dots themselves, such as `https://example.com/groups`.
    """
    if not isinstance(claims, dict):
        return None
    if name in claims:
        return claims[name]
    dots = [place for place, letter in enumerate(name) if letter == "."]
    within = (_claim(claims[name[:dot]], name[dot + 1 :]) for dot in dots if name[:dot] in claims)
    return next((said for said in within if said is not None), None)


def groups(claim: object) -> frozenset[str]:
    """Return the names from a list of names or a single name; any other claim holds no groups."""
    if isinstance(claim, str):
        claim = [claim]
    if not isinstance(claim, list | tuple):
        return frozenset()
    return frozenset(name.strip() for name in claim if isinstance(name, str) and name.strip())
