"""The people who work at the sample company."""

from uuid import UUID

from omniviewer.demo.stand_in.organization import Member, Organization

DEMO_TOKENS = {
    "analyst": "omni_pat_demo_analyst_5f0c2b7e9a41",
    "lead": "omni_org_demo_lead_c83d61f0b2e7",
    "support": "omni_pat_demo_support_19e4a7d05c36",
    "revoked": "omni_pat_demo_revoked_7b2f90c4d81e",
}
_ANALYST_ID = UUID("990e8400-e29b-41d4-a716-446655440004")
# Name, address, role, whether still employed, and roughly the share of conversations in per cent.
_PEOPLE = (
    ("Ana Lindqvist", "ana.lindqvist@my-org.example", "MEMBER", True, 13),
    ("Marcus Okafor", "marcus.okafor@my-org.example", "ORG_ADMIN", True, 12),
    ("Sam Ortega", "sam.ortega@my-org.example", "MEMBER", True, 6),
    ("山田 花子", "hanako.yamada@my-org.example", "MEMBER", True, 13),
    ("ليلى حداد", "layla.haddad@my-org.example", "MEMBER", True, 12),
    ("Zoë O’Brien-Müller", "zoe.obrien-mueller@my-org.example", "MEMBER", True, 12),
    ("Σοφία Παπαδοπούλου", "sofia.papadopoulou@my-org.example", "MEMBER", True, 11),
    ("Priya Venkatanarasimharajuvaripeta-Balasubramaniam", "priya.v@my-org.example", "MEMBER", True, 10),
    ("Tom Smith", "tom.smith@my-org.example", "MEMBER", False, 9),
)


def hire(organization: Organization) -> dict[Member, int]:
    """Add everybody, with their tokens. Returns how often each asks, in proportion."""
    shares = {}
    for name, email, role, is_active, share in _PEOPLE:
        known = _ANALYST_ID if name == "Ana Lindqvist" else None
        shares[organization.add_member(name, email, role, id=known, is_active=is_active)] = share
    analyst, _, support, *_rest = shares
    organization.personal_token(analyst, DEMO_TOKENS["analyst"])
    organization.organization_key(DEMO_TOKENS["lead"])
    organization.personal_token(support, DEMO_TOKENS["support"])
    organization.demo_tokens = dict(DEMO_TOKENS)
    return shares
