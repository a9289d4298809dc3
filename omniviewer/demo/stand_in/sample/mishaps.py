"""Questions that were not answered: what failed and why, over half a year, and what nobody waited for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from omniviewer.demo.stand_in.sample.special import Special

_ANA, _MARCUS, _SAM, _TOM = "Ana Lindqvist", "Marcus Okafor", "Sam Ortega", "Tom Smith"
_HANAKO, _LAYLA, _SOFIA = "山田 花子", "ليلى حداد", "Σοφία Παπαδοπούλου"
_ZOE, _PRIYA = "Zoë O’Brien-Müller", "Priya Venkatanarasimharajuvaripeta-Balasubramaniam"
_NO_JOIN = (
    "There is no relationship between campaigns and users.",
    "Add a join on utm_campaign to the model.",
    "NO_JOIN_PATH",
)
_SUSPENDED = "The warehouse did not answer: connection refused by analytics-prod."


def mishaps() -> Iterator[Special]:
    yield from _missing_fields()
    yield from _too_large()
    yield from _warehouse_away()
    yield from _not_permitted()
    yield from _unanswered()
    yield from _cancelled()


def _failed(
    name: str, question: str, answer: str, because: tuple[str, str, str], retry: tuple[str, str] | None = None
) -> Special:
    """Return a conversation whose first answer failed, with Omni's reason, detail and code.

    `retry`: a second question, and its answer.
    """
    reason, detail, code = because
    turns = ((question, answer), retry) if retry else ((question, answer),)
    pauses = (timedelta(minutes=3),) if retry else ()
    return Special(name, turns, kind="failed", of_turn=0, pauses=pauses, reason=reason, detail=detail, code=code)


def _missing_fields() -> Iterator[Special]:
    """Yield failures for fields that the model lacks: the ones that its owner can mend."""
    margin = "The field suppliers.margin does not exist."
    in_words = "The query failed. The field `suppliers.margin` does not exist in this topic."
    because = (margin, "Did you mean order_items.gross_margin?", "FIELD_NOT_FOUND")
    yield replace(
        _failed("Margin by supplier", "What is the margin by supplier?", in_words, because),
        working_days=2,
        clock="10:48",
        topic="inventory",
    )
    yield replace(
        _failed(
            "Supplier margins for the purchasing round",
            "Which suppliers have the lowest margin this quarter?",
            in_words,
            because,
            retry=(
                "Then use gross margin by product, and name the supplier of each",
                "The lowest gross margin: **Wool socks** (Ege Konfeksiyon), then **Hat** (Lotus Apparel).",
            ),
        ),
        owner=_HANAKO,
        working_days=16,
        clock="09:05",
        topic="inventory",
    )
    yield replace(
        _failed("Supplier scorecard", "Build a scorecard: margin, delays, returns", in_words, because),
        owner=_TOM,
        working_days=74,
        clock="15:26",
        topic="inventory",
    )
    reasons = "The field returns.reason_code is ambiguous: it exists in returns and in return_items."
    for owner, days, clock, name, question in (
        (_ZOE, 3, "11:14", "Return reasons by size", "Which return reasons are most common for each size?"),
        (_SAM, 11, "14:02", "Reasons behind one customer’s returns", "Why does order 20417 keep being returned?"),
        (_ZOE, 38, "08:51", "Wrong size or not as pictured?", "Split last month’s returns by reason code"),
    ):
        said = "I could not run this: the reason code is defined twice in the topic `returns`."
        detail = "Qualify the field, or hide one of the two in the model."
        yield replace(
            _failed(name, question, said, (reasons, detail, "AMBIGUOUS_FIELD")),
            owner=owner,
            working_days=days,
            clock=clock,
            topic="returns",
        )
    yield replace(
        _failed(
            "Cost of a new customer by channel",
            "What does a new customer cost us, by channel?",
            "The topics `marketing` and `customers` cannot be joined, so I cannot compute this.",
            _NO_JOIN,
        ),
        owner=_LAYLA,
        working_days=8,
        clock="13:45",
        topic="marketing",
    )
    yield replace(
        _failed(
            "Newsletter readers who buy",
            "How many newsletter readers bought something within a week?",
            "The topics `marketing` and `customers` cannot be joined, so I cannot compute this.",
            _NO_JOIN,
        ),
        owner=_SOFIA,
        working_days=52,
        clock="10:31",
        topic="marketing",
    )


def _too_large() -> Iterator[Special]:
    detail = "Narrow the filter, or aggregate before joining."
    late = "The query took longer than 300 seconds."
    for owner, days, clock, topic, name, question in (
        (_PRIYA, 1, "16:20", "order_items", "Every basket with two hats", "List all baskets with two hats in them"),
        (_MARCUS, 22, "09:40", "customers", "Cohorts since 2019", "Monthly retention of every cohort since 2019"),
        (_PRIYA, 61, "17:03", "order_items", "Products bought together", "Which products are bought together most?"),
    ):
        said = "The query was stopped after five minutes. Shall I try a shorter period?"
        yield replace(
            _failed(name, question, said, (late, detail, "QUERY_TIMEOUT")),
            owner=owner,
            working_days=days,
            clock=clock,
            topic=topic,
            seconds=304,
        )


def _warehouse_away() -> Iterator[Special]:
    """Yield the failures of one morning on which the data warehouse was away."""
    for minute, (owner, topic, name, question) in enumerate(
        (
            (_SOFIA, "customers", "Repeat purchases of the loyalty group", "How often do loyalty members come back?"),
            (_LAYLA, "marketing", "Sign-ups after the store event", "Did the event in Lyon bring sign-ups?"),
            (_ANA, "order_items", "Orders of the night", "How many orders came in between midnight and six?"),
        )
    ):
        retry = None
        if owner == _ANA:
            retry = ("Is it back? Try again, please", "Between midnight and six there were **143** orders.")
        said = "The data warehouse does not answer. Please try again in a while."
        yield replace(
            _failed(name, question, said, (_SUSPENDED, "Retried 3 times.", "CONNECTION_FAILED"), retry),
            owner=owner,
            working_days=30,
            clock=f"09:{12 + 7 * minute}",
            topic=topic,
            pauses=(timedelta(hours=2),) if retry else (),
            seconds=61,
        )


def _not_permitted() -> Iterator[Special]:
    denied = "You do not have access to the topic payroll."
    said = "I may not use the topic `payroll` for you."
    yield replace(
        _failed("Sales by hour worked", "Revenue for each hour worked in Torino?", said, (denied, "", "FORBIDDEN")),
        owner=_TOM,
        working_days=88,
        clock="11:57",
        topic=None,
    )
    yield replace(
        _failed(
            "Addresses of the sample orders",
            "Give me the addresses of everybody who got a sample in spring",
            "I cannot show addresses: the field is masked for you.",
            ("The field users.address is masked.", "Ask for the attribute can_see_pii.", "FORBIDDEN"),
        ),
        owner=_SAM,
        working_days=101,
        clock="14:38",
        topic="customers",
    )


def _unanswered() -> Iterator[Special]:
    for owner, days, clock, topic, name, question in (
        (
            _MARCUS,
            1,
            "17:21",
            "order_items",
            "Numbers for the board, first draft",
            "Revenue, margin and returns on one page",
        ),
        (_ZOE, 9, "15:48", "returns", "Refunds still open", "Which refunds are open for more than ten days?"),
        (_HANAKO, 19, "08:12", "inventory", "Stock in transit", "What is on its way from Porto right now?"),
        (
            _PRIYA,
            43,
            "13:30",
            "order_items",
            "Gift cards not used",
            "How much is left on gift cards older than a year?",
        ),
        (
            _LAYLA,
            67,
            "16:06",
            "marketing",
            "Creators and discount codes",
            "Which creators’ codes are shared on coupon sites?",
        ),
        (_TOM, 95, "10:09", "inventory", "Count of the outlet stock", "How far is the count in the outlet off?"),
    ):
        yield Special(name, ((question, None),), owner=owner, working_days=days, clock=clock, topic=topic)


def _cancelled() -> Iterator[Special]:
    for owner, days, clock, topic, name, question in (
        (
            _MARCUS,
            13,
            "12:02",
            "customers",
            "All customers with an address in two countries",
            "List customers who live in two countries",
        ),
        (_SOFIA, 35, "09:33", "customers", "Birthdays next month", "Who has their birthday next month?"),
        (
            _PRIYA,
            79,
            "11:11",
            "marketing",
            "Clicks of every newsletter",
            "Show every click of every newsletter this year",
        ),
    ):
        yield Special(
            name,
            ((question, "Cancelled."),),
            kind="cancelled",
            owner=owner,
            working_days=days,
            clock=clock,
            topic=topic,
        )
