"""The sample company over half a year, the same for the same `now`.

The example of Omni's reference is among it, with the reference's own dates or, so that its evidence is not over, with
dates that follow the clock.
"""

import random
from datetime import UTC, datetime, time, timedelta
from uuid import UUID, uuid5

from omniviewer.demo.stand_in.organization import NAMESPACE, Job, Member, Organization
from omniviewer.demo.stand_in.sample.everyday import Everyday, answer_time
from omniviewer.demo.stand_in.sample.mishaps import mishaps
from omniviewer.demo.stand_in.sample.people import DEMO_TOKENS, Colleague, hire
from omniviewer.demo.stand_in.sample.special import Special, working_day
from omniviewer.demo.stand_in.sample.specials import specials
from omniviewer.demo.stand_in.sample.tables import looked_up
from omniviewer.demo.stand_in.sample.torture import torture_tests

__all__ = ["DEMO_TOKENS", "sample_organization"]

_EVERYDAY = 310
_DAYS = 178
_WEEKEND_SHARE = 0.04
# How often people begin a conversation in each hour of the day, in UTC.
_HOURS = {6: 2, 7: 8, 8: 14, 9: 16, 10: 12, 11: 7, 12: 6, 13: 12, 14: 13, 15: 9, 16: 5, 17: 2, 19: 1, 20: 1}
_SATURDAY = 5
_DOCUMENTED_START = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)


def sample_organization(now: datetime, *, documented_dates: bool = True) -> Organization:
    """Return a company with over 300 conversations in half a year, the newest minutes before `now` (aware).

    `documented_dates=False` moves the documented example to the day before yesterday.
    """
    organization = Organization("my-org", id=UUID("880e8400-e29b-41d4-a716-446655440003"))
    people = hire(organization)
    rng = random.Random(20250115)
    now = now.astimezone(UTC).replace(second=0, microsecond=0)
    used: set[str] = set()
    # Drawn first: how much each of them asked does not depend on the clock. Each has a tenth more lots than are drawn.
    lots = [round(colleague.share * _EVERYDAY * 1.1 / 100) for colleague, _ in people.values()]
    askers = rng.sample(list(people.values()), counts=lots, k=_EVERYDAY)
    for number, (colleague, owner) in enumerate(askers):
        at = _begun(rng, colleague, now)
        material = _unused(rng, colleague, at, now, used)
        _everyday(organization, owner, material, number, at=at, now=now)
    for number, special in enumerate([*specials(now), *mishaps(), *torture_tests()]):
        _special(organization, people[special.owner][1], special, number, now)
    _documented(organization, people["Ana Lindqvist"][1], now=None if documented_dates else now)
    return organization


def _begun(rng: random.Random, colleague: Colleague, now: datetime) -> datetime:
    """Draw when a conversation began: more and more over the months, mostly in office hours."""
    while True:
        days = colleague.left_days_ago + (_DAYS - colleague.left_days_ago) * rng.random() ** 1.5
        day = now - timedelta(days=days)
        at = day.replace(
            hour=rng.choices(list(_HOURS), weights=list(_HOURS.values()))[0],
            minute=rng.randint(0, 59),
            second=rng.randint(0, 59),
            microsecond=0,
        )
        is_work = at.weekday() < _SATURDAY or rng.random() < _WEEKEND_SHARE
        if is_work and at < now - timedelta(hours=3):
            return at


def _unused(rng: random.Random, colleague: Colleague, at: datetime, now: datetime, used: set[str]) -> Everyday:
    """Draw a conversation's material whose name nobody has given yet."""
    while (drawn := Everyday(rng, colleague.topics, at.date(), (now - at).days)).name in used:
        pass
    used.add(drawn.name)
    return drawn


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
    for turn in range(rng.choice((0, 0, 0, 1, 1, 2))):
        pause = timedelta(hours=rng.randint(20, 28)) if rng.random() < 0.08 else timedelta(seconds=rng.randint(20, 900))
        at = conversation.updated_at + pause
        if at > now - timedelta(minutes=10):
            return
        question, answer = material.follow_up()
        looks_again = rng.random() < 0.5
        job = material.job(uuid5(conversation_id, f"job {turn + 1}"), question, at, looks_again=looks_again)
        organization.ask(conversation, question, answer, at=at, took=answer_time(rng), job=job)


def _special(organization: Organization, owner: Member, special: Special, number: int, now: datetime) -> None:
    conversation_id = uuid5(NAMESPACE, f"special {number}")
    at = special.starts_at(now)
    conversation = organization.add_conversation(
        owner=owner, name=special.name, turns=[], id=conversation_id, started_at=at
    )
    jobs = []
    took = timedelta(seconds=special.seconds)
    for turn, (question, answer) in enumerate(special.turns):
        if turn:
            at = conversation.updated_at + special.pauses[turn - 1]
        jobs.append(Job(uuid5(conversation_id, f"job {turn}"), question, at, topic=special.topic))
        organization.ask(conversation, question, answer, at=at, took=took, job=jobs[-1])
        if turn < special.turns_without_job:
            conversation.messages[-1].job = conversation.messages[-1].chat_url = None
    job, last = jobs[special.of_turn], conversation.messages[-1]
    jobs[-1].actions, jobs[-1].chart = special.actions, special.chart
    match special.kind:
        case "failed":
            job.state, job.error = "FAILED", special.reason
            job.error_detail, job.error_code = special.detail, special.code
        case "cancelled":
            job.state = "CANCELLED"
        case "executing":
            job.state, job.progress, job.completed_at = "EXECUTING", special.progress, None
            organization.finish_later(last, special.in_the_end, at=now + timedelta(minutes=special.ends_in))
        case "no job":
            last.job = last.chat_url = None
        case "no link":
            last.chat_url = None


def _documented(organization: Organization, owner: Member, *, now: datetime | None) -> None:
    """Add the example from Omni's reference, value for value; with `now`, its dates follow the clock instead."""
    start = working_day(now, 2, time(10)) if now else _DOCUMENTED_START
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
