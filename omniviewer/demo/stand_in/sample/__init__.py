"""The sample company, the same for the same `now`."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from omniviewer.demo.stand_in.organization import NAMESPACE, Job, Member, Organization
from omniviewer.demo.stand_in.sample.everyday import Everyday, answer_time
from omniviewer.demo.stand_in.sample.people import DEMO_TOKENS, hire
from omniviewer.demo.stand_in.sample.specials import Special, specials

__all__ = ["DEMO_TOKENS", "sample_organization"]

_EVERYDAY = 340
_PERIOD = timedelta(days=150)


def sample_organization(now: datetime) -> Organization:
    """A company with more than 300 conversations over five months, the newest some minutes before `now` (aware)."""
    organization = Organization("my-org", id=UUID("880e8400-e29b-41d4-a716-446655440003"))
    shares = hire(organization)
    analyst = next(iter(shares))
    rng = random.Random(20250115)
    now = now.astimezone(UTC).replace(second=0, microsecond=0)
    for number in range(_EVERYDAY):
        owner = rng.choices(list(shares), weights=list(shares.values()))[0]
        # More of them lately, and in office hours.
        day = now - _PERIOD * (rng.random() ** 1.6) - timedelta(hours=5)
        at = day.replace(hour=rng.randint(6, 17), minute=rng.randint(0, 59), second=rng.randint(0, 59))
        _everyday(organization, owner, rng, number, min(at, now - timedelta(hours=3)))
    for number, special in enumerate(specials()):
        _special(organization, analyst, special, number, now)
    _documented(organization, analyst)
    return organization


def _everyday(organization: Organization, owner: Member, rng: random.Random, number: int, at: datetime) -> None:
    conversation_id = uuid5(NAMESPACE, f"everyday {number}")
    material = Everyday(rng)
    name, question = material.name, material.question
    conversation = organization.add_conversation(owner=owner, name=name, turns=[], id=conversation_id, started_at=at)
    job = material.job(uuid5(conversation_id, "job 0"), question, at)
    organization.ask(conversation, question, material.answer(), at=at, took=answer_time(rng), job=job)
    for turn in range(rng.choice((0, 0, 1, 1, 2, 3))):
        pause = timedelta(hours=rng.randint(5, 60)) if rng.random() < 0.12 else timedelta(seconds=rng.randint(20, 900))
        at = conversation.updated_at + pause
        question, answer = material.follow_up()
        job = material.job(uuid5(conversation_id, f"job {turn + 1}"), question, at)
        organization.ask(conversation, question, answer, at=at, took=answer_time(rng), job=job)


def _special(organization: Organization, owner: Member, special: Special, number: int, now: datetime) -> None:
    conversation_id = uuid5(NAMESPACE, f"special {number}")
    length = sum(special.pauses, timedelta()) + timedelta(minutes=1) * len(special.turns)
    at = now - length - timedelta(minutes=3 + 25 * number)
    conversation = organization.add_conversation(
        owner=owner, name=special.name, turns=[], id=conversation_id, started_at=at
    )
    for turn, (question, answer) in enumerate(special.turns):
        if turn:
            at = conversation.updated_at + special.pauses[turn - 1]
        job = Job(uuid5(conversation_id, f"job {turn}"), question, at, topic="order_items")
        organization.ask(conversation, question, answer, at=at, took=timedelta(seconds=20), job=job)
    if special.kind == "failed":
        job.state, job.error = "FAILED", "The field suppliers.margin does not exist."
    elif special.kind == "cancelled":
        job.state = "CANCELLED"
    elif special.kind == "no job":
        conversation.messages[-1].job = conversation.messages[-1].chat_url = None


def _documented(organization: Organization, owner: Member) -> None:
    """The example in Omni's reference, value for value."""
    start = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)
    conversation = organization.add_conversation(
        owner=owner,
        name="Top products by revenue",
        turns=[],
        id=UUID("660e8400-e29b-41d4-a716-446655440001"),
        started_at=start,
    )
    turns = (
        (
            timedelta(0),
            timedelta(seconds=90),
            UUID("550e8400-e29b-41d4-a716-446655440000"),
            "What are the top 5 products by revenue?",
            "### Top 5 Products by Revenue\n\n1. **Sunglasses** - $678,994\n2. **Jeans** - $475,072\n"
            "3. **T-Shirt** - $320,150\n4. **Sneakers** - $289,033\n5. **Hat** - $201,487",
        ),
        (
            timedelta(minutes=3),
            timedelta(minutes=2),
            UUID("550e8400-e29b-41d4-a716-446655440010"),
            "Show me revenue by month for sunglasses",
            "### Sunglasses Revenue by Month\n\n- January: $52,430\n- February: $48,221\n- March: $61,992",
        ),
    )
    for offset, took, job_id, question, answer in turns:
        job = Job(job_id, question, start + offset, topic="order_items")
        organization.ask(conversation, question, answer, at=start + offset, took=took, job=job)
