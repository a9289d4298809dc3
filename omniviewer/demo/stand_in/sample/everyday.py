"""Everyday questions and answers: each with a query, rows, and words that agree with the rows."""

import math
import random
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from omniviewer.demo.stand_in.organization import Action, Job
from omniviewer.demo.stand_in.sample.subjects import NAMES, NEXT_STEPS, OPENINGS, SUBJECTS, periods

_HIDDEN_ROWS = 12_480
_OWN_TOPICS_SHARE = 0.75
# Seconds: a job takes as long as its steps at least, mostly about half a minute, and sometimes minutes.
_MIN_SECONDS, _MEDIAN_SECONDS, _MAX_SECONDS = 18, 31, 420


class Everyday:
    """The material of one conversation, drawn by `rng`, as somebody asks on a day so many days ago.

    `topics` are the ones that person mostly asks about.
    """

    def __init__(self, rng: random.Random, topics: Collection[str], asked_on: date, days_ago: int) -> None:
        self.rng = rng
        own = [subject for subject in SUBJECTS if subject.topic in topics]
        self.subject = rng.choice(own if own and rng.random() < _OWN_TOPICS_SHARE else SUBJECTS)
        self._periods = periods(asked_on, days_ago)
        self.period = rng.choice(list(self._periods))
        groups = rng.sample(self.subject.groups, k=rng.randint(4, len(self.subject.groups)))
        values = sorted((self._draw() for _ in groups), reverse=True)
        self.rows = list(zip(groups, values, strict=True))
        self.name = self._fill(rng.choice(NAMES))
        self.question = self._fill(rng.choice(OPENINGS))
        self._follow_ups: list[Callable[[], tuple[str, str]]] = [
            self._top_three,
            self._query,
            self._best,
            self._worst,
            self._sentence,
            self._below_average,
            self._shares,
            self._advice,
            self._script,
        ]
        rng.shuffle(self._follow_ups)

    def _draw(self) -> float:
        """Draw a value with no more digits than the reader sees, so that sums and shares agree with the shown values."""
        if self.subject.unit in ("%", "."):
            return round(self.rng.uniform(self.subject.low, self.subject.high), 1 if self.subject.unit == "%" else 2)
        return float(self.rng.randint(self.subject.low, self.subject.high))

    def _fill(self, text: str) -> str:
        subject = self.subject
        return text.format(
            measure=subject.measure,
            Measure=subject.measure[0].upper() + subject.measure[1:],
            by=subject.by,
            plural=subject.plural,
            topic=subject.topic,
            period=self.period,
            first=self.rows[0][0],
            last=self.rows[-1][0],
        )

    def _value(self, value: float) -> str:
        return self.subject.shown(value)

    @property
    def _mean(self) -> float:
        return sum(value for _, value in self.rows) / len(self.rows)

    def answer(self) -> str:
        """Return an answer in one of the usual shapes."""
        shape = self.rng.choice((self._numbered, self._table, self._bullets, self._compared, self._report, self._prose))
        text = shape()
        if self.rng.random() < 0.45:
            text += "\n\n" + self._fill(self.rng.choice(NEXT_STEPS))
        return text

    def _heading(self) -> str:
        return self._fill("### {Measure} by {by} {period}\n\n")

    def _close(self) -> str:
        (first, most), (last, least) = self.rows[0], self.rows[-1]
        return f"\n\n**{first}** leads with {self._value(most)}; **{last}** is last with {self._value(least)}."

    def _numbered(self) -> str:
        lines = [f"{place}. **{group}** - {self._value(value)}" for place, (group, value) in enumerate(self.rows, 1)]
        return self._heading() + "\n".join(lines) + self._close()

    def _bullets(self) -> str:
        lines = [f"- {group}: {self._value(value)}" for group, value in self.rows]
        spread = self.rows[0][1] / self.rows[-1][1]
        return self._heading() + "\n".join(lines) + self._close() + f" The difference is a factor of {spread:.1f}."

    def _table(self) -> str:
        most = self.rows[0][1]
        lines = [self._fill("| {by} | {measure} | of the highest |"), "|---|---:|---:|"]
        lines += [f"| {group} | {self._value(value)} | {value / most:.0%} |" for group, value in self.rows]
        if self.subject.is_sum:
            lines.append(f"| **Total** | **{self._value(sum(value for _, value in self.rows))}** | |")
        return self._heading() + "\n".join(lines) + self._close()

    def _compared(self) -> str:
        """Return an answer that compares with the period before."""
        lines = [self._fill("| {by} | before | {period} | change |"), "|:---|---:|---:|---:|"]
        up = 0
        for group, value in self.rows:
            before = self.subject.shown(value * self.rng.uniform(0.75, 1.3))
            earlier = float(before.strip("$%").replace(",", "")) or 1.0
            up += value > earlier
            lines.append(f"| {group} | {before} | {self._value(value)} | {value / earlier - 1:+.1%} |")
        told = self._fill(f"Up on the period before: {up} of {len(self.rows)} {{plural}}.")
        return self._heading() + told + "\n\n" + "\n".join(lines) + self._close()

    def _report(self) -> str:
        above = [group for group, value in self.rows if value > self._mean]
        return (
            self._fill("## {Measure} {period}\n\n### What I looked at\n\nThe topic `{topic}`, grouped by {by}:\n\n")
            + f"```sql\n{self.sql()}\n```\n\n### What I found\n\n"
            + f"- The average is **{self._value(self._mean)}**\n"
            + self._fill(f"- {len(above)} of {len(self.rows)} {{plural}} are above it: {', '.join(above)}\n")
            + "- The range:\n"
            + f"  - from {self._value(self.rows[-1][1])} ({self.rows[-1][0]})\n"
            + f"  - to {self._value(self.rows[0][1])} ({self.rows[0][0]})\n\n### In short"
            + self._close()
        )

    def _prose(self) -> str:
        (first, most), (second, next_most), *_, (last, least) = self.rows
        return self._fill(
            f"{{Measure}} {{period}} was highest for **{first}** at **{self._value(most)}**, followed by {second} "
            f"({self._value(next_most)}). At the other end stands {last} with {self._value(least)}, "
            f"which is {least / self._mean:.0%} of the average of {self._value(self._mean)}."
        )

    def follow_up(self) -> tuple[str, str]:
        """Return the next further question and its answer."""
        return self._follow_ups.pop()()

    def _top_three(self) -> tuple[str, str]:
        lines = [f"- **{group}**: {self._value(value)}" for group, value in self.rows[:3]]
        return self.rng.choice(
            ("And only the top three?", "Just the best three, please", "Who are the top three?")
        ), "\n".join(lines)

    def _query(self) -> tuple[str, str]:
        told = self._fill("This is the query behind it:\n\n")
        return self.rng.choice(
            ("Can you show me the query?", "Which query did you run?", "Show me the SQL, I want to check the filter")
        ), f"{told}```sql\n{self.sql()}\n```\n\n" + self._fill("It ranks {plural} by {measure} {period}.")

    def _one(self, group: str, value: float) -> str:
        share = f"{value / self._mean:.0%} of the average of all {len(self.rows)}"
        return f"**{group}** stands at {self._value(value)}, which is {share}."

    def _best(self) -> tuple[str, str]:
        return self._fill(self.rng.choice(("What about {first}?", "How does {first} compare?"))), self._one(
            *self.rows[0]
        )

    def _worst(self) -> tuple[str, str]:
        return self._fill(
            self.rng.choice(("Is that unusual for {last}?", "And {last}?", "How bad is {last} really?"))
        ), self._one(*self.rows[-1])

    def _sentence(self) -> tuple[str, str]:
        (first, most), mean = self.rows[0], self._value(self._mean)
        return self.rng.choice(
            ("Sum it up in one sentence", "One sentence for my slide, please", "tl;dr?")
        ), f"{first} is ahead with {self._value(most)}, against {mean} on average."

    def _below_average(self) -> tuple[str, str]:
        below = [f"- {group}, {self._value(value)}" for group, value in self.rows if value < self._mean]
        told = f"The average is {self._value(self._mean)}. Below it:\n\n"
        return self.rng.choice(
            ("Which ones are below average?", "Who is below the average?", "List those below average")
        ), told + "\n".join(below)

    def _shares(self) -> tuple[str, str]:
        if not self.subject.is_sum:
            return self.rng.choice(("What is the total?", "And in total?")), self._fill(
                "{Measure} cannot be added up over {plural}: it is an average."
            )
        total = sum(value for _, value in self.rows)
        lines = [f"| {group} | {value / total:.1%} |" for group, value in self.rows]
        return self.rng.choice(
            ("As shares of the total?", "And in per cent of the total?", "What share does each have?")
        ), f"Of {self._value(total)} in all:\n\n| | share |\n|---|---:|\n" + "\n".join(lines)

    def _advice(self) -> tuple[str, str]:
        last, least = self.rows[-1]
        return self.rng.choice(
            ("What should we do about it?", "Any idea why?", "What would you look at next?")
        ), self._fill(
            "The data alone does not say why, but three things are worth a look:\n\n"
            f"1. **{last}** ({self._value(least)}): is it weak every week, or in a few?\n"
            "2. Whether {first} had something the others had not, such as a campaign.\n"
            "3. Stock-outs: what cannot be bought is not counted.\n\n"
            "> Small groups vary more. Compare at least two periods before acting on one."
        )

    def _script(self) -> tuple[str, str]:
        rows = ",\n".join(f'    ("{group}", {value:.10g})' for group, value in self.rows[:4])
        mean = sum(value for _, value in self.rows[:4]) / 4
        return self.rng.choice(
            (
                "How would I compute the average of the first four in Python?",
                "Give me a Python snippet for the average of the first four",
            )
        ), (
            f"```python\nrows = [\n{rows},\n]\nprint(sum(value for _, value in rows) / len(rows))\n```\n\n"
            f"It prints `{mean!r}`."
        )

    def sql(self) -> str:
        field = self.subject.field
        column = self.subject.by.replace(" ", "_")
        return (
            f"SELECT {self.subject.by_field} AS {column}, {'SUM' if self.subject.is_sum else 'AVG'}({field})\n"
            f"FROM {field.split('.')[0]}\n"
            f"WHERE {self._periods[self.period]}\n"
            "GROUP BY 1\nORDER BY 2 DESC\nLIMIT 500"
        )

    def job(self, job_id: UUID, prompt: str, at: datetime, *, looks_again: bool = True) -> Job:
        """Return the job that answered: with queries, or without any if the AI does not look again."""
        actions = [*self._queries(), Action("summarize", "Summarized the rows")] if looks_again else []
        chart = looks_again and self.rng.random() < 0.7
        return Job(job_id, prompt, at, topic=self.subject.topic, actions=tuple(actions), chart=chart)

    def _queries(self) -> list[Action]:
        kind = self.rng.random()
        name = self._fill("{Measure} by {by}")
        rows = [(self.subject.by.capitalize(), self._fill("{Measure}"))]
        rows += [(group, self._value(value)) for group, value in self.rows]
        words = "Looked up the topic and wrote a query"
        if kind < 0.06:
            total = _HIDDEN_ROWS + len(self.rows)
            return [Action("generate_query", words, name, self._semantic(), rows, total, was_truncated=True)]
        found = Action("generate_query", words, name, self._semantic(), rows)
        if kind < 0.12:
            none = Action(
                "generate_query", "Looked for cancelled orders too", "Cancelled", self._semantic("cancelled"), ()
            )
            return [found, none]
        if kind < 0.18:
            failed = Action("generate_query", "The first try failed", name, self._semantic("?"), status="error")
            failed = replace(failed, is_error=True, error=self._error())
            return [failed, found]
        return [found]

    def _error(self) -> dict[str, Any]:
        told = f"Unknown value ? of orders.status in topic {self.subject.topic}"
        return {"message": told, "code": "INVALID_QUERY", "detail": "Did you mean complete?"}

    def _semantic(self, status: str = "complete") -> dict[str, Any]:
        fields = [self.subject.by_field, self.subject.field]
        return {
            "table": self.subject.field.split(".", maxsplit=1)[0],
            "topic": self.subject.topic,
            "fields": fields,
            "filters": {
                "created_at": {"kind": "TIME_FOR_INTERVAL_DURATION", "value": self.period},
                "orders.status": {"kind": "EQUALS", "values": [status]},
            },
            "sorts": [{"column_name": self.subject.field, "sort_descending": True}],
            "limit": 500,
        }


def answer_time(rng: random.Random) -> timedelta:
    seconds = rng.lognormvariate(math.log(_MEDIAN_SECONDS), 0.55)
    return timedelta(seconds=round(min(max(seconds, _MIN_SECONDS), _MAX_SECONDS)))
