"""The people who work at the sample company."""

from dataclasses import dataclass
from uuid import UUID

from omniviewer.demo.stand_in.organization import Member, Organization

DEMO_TOKENS = {
    "analyst": "omni_pat_demo_analyst_5f0c2b7e9a41",
    "lead": "omni_org_demo_lead_c83d61f0b2e7",
    "support": "omni_pat_demo_support_19e4a7d05c36",
    "revoked": "omni_pat_demo_revoked_7b2f90c4d81e",
}
_ANALYST_ID = UUID("990e8400-e29b-41d4-a716-446655440004")


@dataclass(frozen=True)
class Colleague:
    """Somebody at the sample company: `share` of all conversations in per cent; the topics they mostly ask about.

    `left_days_ago`: days since they left the company; 0 if they still work there.
    """

    name: str
    email: str
    share: int
    topics: tuple[str, ...] = ()
    role: str = "MEMBER"
    left_days_ago: int = 0


TORTURE_TESTS = "Torture Tests"
_COLLEAGUES = (
    Colleague("Ana Lindqvist", "ana.lindqvist@my-org.example", 15, ("order_items", "returns")),
    Colleague("Marcus Okafor", "marcus.okafor@my-org.example", 12, ("order_items", "customers"), role="ORG_ADMIN"),
    Colleague("Sam Ortega", "sam.ortega@my-org.example", 7, ("returns", "customers")),
    Colleague("山田 花子", "hanako.yamada@my-org.example", 13, ("inventory",)),
    Colleague("ليلى حداد", "layla.haddad@my-org.example", 12, ("marketing",)),
    Colleague("Zoë O’Brien-Müller", "zoe.obrien-mueller@my-org.example", 12, ("returns", "inventory")),
    Colleague("Σοφία Παπαδοπούλου", "sofia.papadopoulou@my-org.example", 11, ("customers", "marketing")),
    Colleague(
        "Priya Venkatanarasimharajuvaripeta-Balasubramaniam", "priya.v@my-org.example", 10, ("order_items", "marketing")
    ),
    Colleague("Tom Smith", "tom.smith@my-org.example", 8, ("inventory", "order_items"), left_days_ago=80),
    Colleague(TORTURE_TESTS, "torture.tests@my-org.example", 0),
)


def hire(organization: Organization) -> dict[str, tuple[Colleague, Member]]:
    """Add everybody, with their tokens; return them by name."""
    hired = {}
    for row in _COLLEAGUES:
        known = _ANALYST_ID if row.name == "Ana Lindqvist" else None
        is_active = not row.left_days_ago
        hired[row.name] = row, organization.add_member(row.name, row.email, row.role, id=known, is_active=is_active)
    organization.personal_token(hired["Ana Lindqvist"][1], DEMO_TOKENS["analyst"])
    organization.organization_key(DEMO_TOKENS["lead"])
    organization.personal_token(hired["Sam Ortega"][1], DEMO_TOKENS["support"])
    organization.demo_tokens = dict(DEMO_TOKENS)
    return hired
