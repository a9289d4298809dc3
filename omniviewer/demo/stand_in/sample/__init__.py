"""The sample company, the same for the same `now`."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from omniviewer.demo.stand_in.organization import NAMESPACE, Job, Member, Organization
from omniviewer.demo.stand_in.sample.everyday import Everyday, answer_time
from omniviewer.demo.stand_in.sample.people import DEMO_TOKENS, hire
from omniviewer.demo.stand_in.sample.specials import Special, specials
from omniviewer.demo.stand_in.sample.tables import looked_up

__all__ = ["DEMO_TOKENS", "sample_organization"]

_EVERYDAY = 340
_PERIOD = timedelta(days=150)


def sample_organization(now: datetime) -> Organization:
    """Return a company with over 300 conversations in five months, the newest minutes before `now` (aware)."""
    organization = Organization("my-org", id=UUID("880e8400-e29b-41d4-a716-446655440003"))
    shares = hire(organization)
    analyst = next(iter(shares))
    rng = random.Random(20250115)
    now = now.astimezone(UTC).replace(second=0, microsecond=0)
    lately: dict[Member, list[str]] = defaultdict(list)
    for number in range(_EVERYDAY):
        owner = rng.choices(list(shares), weights=list(shares.values()))[0]
        # Most conversations are recent, and begin in office hours.
        day = now - _PERIOD * (rng.random() ** 1.6) - timedelta(hours=5)
        at = day.replace(hour=rng.randint(6, 17), minute=rng.randint(0, 59), second=rng.randint(0, 59), microsecond=0)
        material = next(drawn for drawn in _drawn(rng) if drawn.name not in lately[owner][-60:])
        lately[owner].append(material.name)
        _everyday(organization, owner, material, number, at=min(at, now - timedelta(hours=3)), now=now)
    for number, special in enumerate(specials()):
        _special(organization, analyst, special, number, now)
    _documented(organization, analyst)
    return organization


def _drawn(rng: random.Random) -> Iterator[Everyday]:
    while True:
        yield Everyday(rng)


def _everyday(
    organization: Organization, owner: Member, material: Everyday, number: int, *, at: datetime, now: datetime
) -> None:
    rng = material.rng
    conversation_id = uuid5(NAMESPACE, f"everyday {number}")
    conversation = organization.add_conversation(
        owner=owner, name=material.name, turns=[], id=conversation_id, started_at=at
    )
    job = material.job(uuid5(conversation_id, "job 0"), material.question, at)
    organization.ask(conversation, material.question, material.answer(), at=at, took=answer_time(rng), job=job)
    for turn in range(rng.choice((0, 0, 1, 1, 2, 3))):
        pause = timedelta(hours=rng.randint(5, 60)) if rng.random() < 0.12 else timedelta(seconds=rng.randint(20, 900))
        at = conversation.updated_at + pause
        if at > now - timedelta(minutes=10):
            return
        question, answer = material.follow_up()
        looks_again = rng.random() < 0.5
        job = material.job(uuid5(conversation_id, f"job {turn + 1}"), question, at, looks_again=looks_again)
        organization.ask(conversation, question, answer, at=at, took=answer_time(rng), job=job)


def _special(organization: Organization, owner: Member, special: Special, number: int, now: datetime) -> None:
    conversation_id = uuid5(NAMESPACE, f"special {number}")
    length = sum(special.pauses, timedelta()) + timedelta(minutes=1) * len(special.turns)
    ago = timedelta(minutes=6) if special.kind == "executing" else length + timedelta(minutes=3 + 20 * number)
    at = now - ago
    conversation = organization.add_conversation(
        owner=owner, name=special.name, turns=[], id=conversation_id, started_at=at
    )
    for turn, (question, answer) in enumerate(special.turns):
        if turn:
            at = conversation.updated_at + special.pauses[turn - 1]
        job = Job(uuid5(conversation_id, f"job {turn}"), question, at, topic="order_items")
        organization.ask(conversation, question, answer, at=at, took=timedelta(seconds=20), job=job)
    job.actions, job.chart = special.actions, special.chart
    last = conversation.messages[-1]
    match special.kind:
        case "failed":
            job.state, job.error = "FAILED", "The field suppliers.margin does not exist."
        case "cancelled":
            job.state = "CANCELLED"
        case "executing":
            job.state, job.progress, job.completed_at = "EXECUTING", "Running query 3 of 4", None
            organization.finish_later(last, special.in_the_end, at=now + timedelta(minutes=2))
        case "no job":
            last.job = last.chat_url = None
        case "no link":
            last.chat_url = None


def _documented(organization: Organization, owner: Member) -> None:
    """Add the example from Omni's reference, value for value."""
    start = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)
    conversation = organization.add_conversation(
        owner=owner,
        name="Top products by revenue",
        turns=[],
        id=UUID("660e8400-e29b-41d4-a716-446655440001"),
        started_at=start,
    )
    products = [
        ("Product", "Revenue"),
        ("Sunglasses", "678,994.41"),
        ("Jeans", "475,072.10"),
        ("T-Shirt", "320,149.55"),
    ]
    products += [("Sneakers", "289,033.00"), ("Hat", "201,486.90")]
    months = [("Month", "Revenue"), ("January", "$52,430"), ("February", "$48,221"), ("March", "$61,992")]
    turns = (
        (
            timedelta(0),
            timedelta(seconds=90),
            UUID("550e8400-e29b-41d4-a716-446655440000"),
            "What are the top 5 products by revenue?",
            "### Top 5 Products by Revenue\n\n1. **Sunglasses** - $678,994\n2. **Jeans** - $475,072\n"
            "3. **T-Shirt** - $320,150\n4. **Sneakers** - $289,033\n5. **Hat** - $201,487",
            looked_up("Top 5 Products by Revenue", products, "products.name", "order_items.total_sale_price"),
        ),
        (
            timedelta(minutes=3),
            timedelta(minutes=2),
            UUID("550e8400-e29b-41d4-a716-446655440010"),
            "Show me revenue by month for sunglasses",
            "### Sunglasses Revenue by Month\n\n- January: $52,430\n- February: $48,221\n- March: $61,992",
            looked_up("Sunglasses Revenue by Month", months, "orders.month", "order_items.total_sale_price"),
        ),
    )
    for offset, took, job_id, question, answer, action in turns:
        job = Job(job_id, question, start + offset, topic="order_items", actions=(action,), chart=True)
        organization.ask(conversation, question, answer, at=start + offset, took=took, job=job)
