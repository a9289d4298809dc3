"""Everyday questions and answers: each with a query, rows, and words that agree with the rows."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from omniviewer.demo.stand_in.organization import Action, Job

REGIONS = ("Nordics", "DACH", "Benelux", "France", "Iberia", "UK & Ireland", "Italy", "Poland", "Baltics")
PRODUCTS = ("Sunglasses", "Jeans", "T-Shirt", "Sneakers", "Hat", "Rain jacket", "Wool socks", "Backpack", "Scarf")
CHANNELS = ("Online store", "Outlet", "Marketplace", "Wholesale", "App")
CAMPAIGNS = (
    "Spring launch",
    "Back to school",
    "Loyalty week",
    "Newsletter",
    "Search ads",
    "Influencers",
    "Retargeting",
)
WAREHOUSES = ("Malmö", "Leipzig", "Antwerp", "Zaragoza", "Kraków")
REASONS = ("Wrong size", "Arrived late", "Not as pictured", "Changed their mind", "Damaged", "Ordered twice")


@dataclass(frozen=True)
class Subject:
    """Something people ask about: a topic of the model, what is counted, and by what."""

    topic: str
    measure: str
    field: str
    by: str
    by_field: str
    groups: tuple[str, ...]
    unit: str
    low: int
    high: int


SUBJECTS = (
    Subject(
        "order_items",
        "revenue",
        "order_items.total_sale_price",
        "region",
        "users.region",
        REGIONS,
        "$",
        40_000,
        900_000,
    ),
    Subject(
        "order_items",
        "revenue",
        "order_items.total_sale_price",
        "product",
        "products.name",
        PRODUCTS,
        "$",
        20_000,
        700_000,
    ),
    Subject("order_items", "orders", "order_items.count", "channel", "orders.channel", CHANNELS, "", 400, 22_000),
    Subject(
        "order_items",
        "average order value",
        "order_items.average_sale_price",
        "channel",
        "orders.channel",
        CHANNELS,
        "$",
        31,
        140,
    ),
    Subject("returns", "return rate", "returns.rate", "product", "products.name", PRODUCTS, "%", 1, 24),
    Subject("returns", "returns", "returns.count", "reason", "returns.reason", REASONS, "", 90, 4_000),
    Subject(
        "inventory",
        "units in stock",
        "inventory_items.count",
        "warehouse",
        "warehouses.city",
        WAREHOUSES,
        "",
        900,
        60_000,
    ),
    Subject(
        "inventory", "days of cover", "inventory_items.days_of_cover", "product", "products.name", PRODUCTS, "", 4, 120
    ),
    Subject("marketing", "spend", "campaigns.spend", "campaign", "campaigns.name", CAMPAIGNS, "$", 2_000, 80_000),
    Subject(
        "marketing", "conversion rate", "campaigns.conversion_rate", "campaign", "campaigns.name", CAMPAIGNS, "%", 1, 9
    ),
    Subject("customers", "new customers", "users.new_count", "region", "users.region", REGIONS, "", 120, 9_000),
    Subject("customers", "repeat purchase rate", "users.repeat_rate", "region", "users.region", REGIONS, "%", 12, 48),
)
_PERIODS = (
    "last month",
    "last quarter",
    "this year",
    "in Q3",
    "last week",
    "since the relaunch",
    "in the last 30 days",
)
_OPENINGS = (
    "What is {measure} by {by} {period}?",
    "Show me {measure} per {by} {period}",
    "Which {by} had the highest {measure} {period}?",
    "Break {measure} down by {by} {period}, please",
    "Can you compare {measure} across {by}s {period}?",
    "I need {measure} by {by} {period} for the Monday meeting",
    "How did {measure} develop by {by} {period}?",
)
_NAMES = (
    "{Measure} by {by}",
    "{Measure} by {by} {period}",
    "Comparing {measure} across {by}s",
    "{Measure} per {by}",
    "Highest {measure} by {by}",
)
_FOLLOWING = (
    "And only the top three?",
    "Can you show me the query?",
    "What about {first}?",
    "Is that unusual for {last}?",
    "Sum it up in one sentence",
    "Which ones are below average?",
)


def shown(value: float, unit: str) -> str:
    """A number as Omni formats it for people."""
    if unit == "%":
        return f"{value:.1f}%"
    return f"{unit}{value:,.0f}"


class Everyday:
    """One conversation's material, drawn by `rng`."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.subject = rng.choice(SUBJECTS)
        self.period = rng.choice(_PERIODS)
        groups = rng.sample(self.subject.groups, k=rng.randint(4, len(self.subject.groups)))
        pick = rng.uniform if self.subject.unit == "%" else rng.randint
        values = sorted((pick(self.subject.low, self.subject.high) for _ in groups), reverse=True)
        self.rows = [(group, float(value)) for group, value in zip(groups, values, strict=True)]

    def _fill(self, text: str) -> str:
        words = {"measure": self.subject.measure, "by": self.subject.by, "period": self.period}
        words |= {"Measure": self.subject.measure.capitalize(), "first": self.rows[0][0], "last": self.rows[-1][0]}
        return text.format(**words)

    @property
    def name(self) -> str:
        return self._fill(self.rng.choice(_NAMES))

    @property
    def question(self) -> str:
        return self._fill(self.rng.choice(_OPENINGS))

    def _value(self, value: float) -> str:
        return shown(value, self.subject.unit)

    def answer(self) -> str:
        """In one of the shapes that such answers have."""
        heading = self._fill("### {Measure} by {by} {period}\n\n")
        (first, most), (last, least) = self.rows[0], self.rows[-1]
        close = f"\n\n**{first}** leads with {self._value(most)}; **{last}** is last with {self._value(least)}."
        shape = self.rng.randrange(3)
        if shape == 0:
            lines = [
                f"{place}. **{group}** - {self._value(value)}" for place, (group, value) in enumerate(self.rows, 1)
            ]
            return heading + "\n".join(lines) + close
        if shape == 1:
            head = self._fill("| {by} | {measure} | of the highest |\n|---|---:|---:|\n").replace("| ", "| ", 1)
            lines = [f"| {group} | {self._value(value)} | {value / most:.0%} |" for group, value in self.rows]
            return heading + head + "\n".join(lines) + close
        lines = [f"- {group}: {self._value(value)}" for group, value in self.rows]
        spread = most / least if least else 0
        return heading + "\n".join(lines) + close + f" The difference is a factor of {spread:.1f}."

    def follow_up(self) -> tuple[str, str]:
        """A further question and its answer."""
        question = self._fill(self.rng.choice(_FOLLOWING))
        values = [value for _, value in self.rows]
        mean = sum(values) / len(values)
        if "query" in question:
            return (
                question,
                f"This is the query behind it:\n\n```sql\n{self.sql()}\n```\n\nIt counts {self.subject.measure} {self.period}.",
            )
        if "three" in question:
            return question, "\n".join(f"- **{group}**: {self._value(value)}" for group, value in self.rows[:3])
        if "below" in question:
            below = [f"- {group}, {self._value(value)}" for group, value in self.rows if value < mean]
            return question, f"The average is {self._value(mean)}. Below it:\n\n" + "\n".join(below)
        if "sentence" in question:
            return (
                question,
                f"{self.rows[0][0]} is ahead with {self._value(values[0])}, against {self._value(mean)} on average.",
            )
        group, value = self.rows[0] if "about" in question else self.rows[-1]
        return (
            question,
            f"**{group}** stands at {self._value(value)}, which is {value / mean:.0%} of the average of all {len(values)}.",
        )

    def sql(self) -> str:
        table = self.subject.field.split(".")[0]
        return (
            f"SELECT {self.subject.by_field} AS {self.subject.by}, SUM({self.subject.field})\nFROM {table}\n"
            f"WHERE created_at >= DATE_TRUNC('month', CURRENT_DATE - INTERVAL '1 month')\nGROUP BY 1\nORDER BY 2 DESC\nLIMIT 500"
        )

    def job(self, job_id: UUID, prompt: str, at: datetime) -> Job:
        """The job that answers with these rows."""
        query = {
            "table": self.subject.field.split(".")[0],
            "fields": [self.subject.by_field, self.subject.field],
            "filters": {"created_at": {"kind": "TIME_FOR_INTERVAL_DURATION", "value": self.period}},
            "sorts": [{"column_name": self.subject.field, "sort_descending": True}],
            "limit": 500,
        }
        rows = [(self.subject.by.capitalize(), self.subject.measure.capitalize())]
        rows += [(group, self._value(value)) for group, value in self.rows]
        truncated = self.rng.random() < 0.05
        actions = (
            Action(
                "generate_query",
                "Looked up the topic and wrote a query",
                self._fill("{Measure} by {by}"),
                query,
                rows,
                total_row_count=12_480 if truncated else 0,
                was_truncated=truncated,
            ),
            Action("summarize", "Summed up the rows"),
        )
        return Job(job_id, prompt, at, topic=self.subject.topic, actions=actions, chart=self.rng.random() < 0.7)


def answer_time(rng: random.Random) -> timedelta:
    return timedelta(seconds=rng.randint(11, 75))
