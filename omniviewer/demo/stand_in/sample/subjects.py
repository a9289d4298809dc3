"""The subjects that people at the sample company ask about."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta

REGIONS = ("Nordics", "DACH", "Benelux", "France", "Iberia", "UK & Ireland", "Italy", "Poland", "Baltics")
PRODUCTS = ("Sunglasses", "Jeans", "T-Shirt", "Sneakers", "Hat", "Rain jacket", "Wool socks", "Backpack", "Scarf")
CHANNELS = ("Online store", "Outlet", "Marketplace", "Wholesale", "App")
CAMPAIGNS = ("Spring launch", "Back to school", "Loyalty week", "Newsletter", "Search ads", "Creators", "Retargeting")
WAREHOUSES = ("Malmö", "Leipzig", "Antwerp", "Zaragoza", "Kraków")
REASONS = ("Wrong size", "Arrived late", "Not as pictured", "Changed their mind", "Damaged", "Ordered twice")
SUPPLIERS = ("Nordvik Textil", "Têxteis do Minho", "Ege Konfeksiyon", "Lotus Apparel", "Atlas Denim", "Brera Maglie")
SIZES = ("XS", "S", "M", "L", "XL", "XXL")
CARRIERS = ("PostNord", "DHL", "DPD", "Chronopost", "InPost")
STORES = ("Stockholm", "Hamburg", "Gent", "Lyon", "Porto", "Dublin", "Torino", "Gdańsk", "Riga")
AGES = ("under 25", "25 to 34", "35 to 44", "45 to 54", "55 and over")
PAYMENTS = ("Card", "Invoice", "Klarna", "Gift card", "PayPal")
PLURALS = {"category": "categories", "city": "cities", "payment method": "payment methods"}


@dataclass(frozen=True)
class Subject:
    """A topic of the model, a measure, and the field to group it by.

    `unit` is "$" or "%", "." for a number with two decimals, or "" for a whole one. Whether `is_sum`: it may be added
    up over the groups.
    """

    topic: str
    measure: str
    field: str
    by: str
    by_field: str
    groups: tuple[str, ...]
    unit: str
    low: int
    high: int
    is_sum: bool = True

    @property
    def plural(self) -> str:
        return PLURALS.get(self.by, f"{self.by}s")

    def shown(self, value: float) -> str:
        """Format a number for people, as Omni does."""
        match self.unit:
            case "%":
                return f"{value:.1f}%"
            case ".":
                return f"{value:,.2f}"
        return f"{self.unit}{value:,.0f}"


_SALES, _PRICE = "order_items.total_sale_price", "order_items.average_sale_price"
SUBJECTS = (
    Subject("order_items", "revenue", _SALES, "region", "users.region", REGIONS, "$", 40_000, 900_000),
    Subject("order_items", "revenue", _SALES, "product", "products.name", PRODUCTS, ".", 20_000, 700_000),
    Subject("order_items", "revenue", _SALES, "store", "stores.city", STORES, "$", 15_000, 260_000),
    Subject("order_items", "orders", "order_items.count", "channel", "orders.channel", CHANNELS, "", 400, 22_000),
    Subject("order_items", "order value", _PRICE, "channel", "orders.channel", CHANNELS, "$", 31, 140, is_sum=False),
    Subject("order_items", "order value", _PRICE, "age group", "users.age_tier", AGES, ".", 28, 120, is_sum=False),
    Subject(
        "order_items",
        "gross margin",
        "order_items.gross_margin",
        "product",
        "products.name",
        PRODUCTS,
        "$",
        9_000,
        310_000,
    ),
    Subject("order_items", "units sold", "order_items.units", "size", "products.size", SIZES, "", 300, 19_000),
    Subject(
        "order_items", "payments", "payments.count", "payment method", "payments.method", PAYMENTS, "", 700, 41_000
    ),
    Subject("returns", "return rate", "returns.rate", "product", "products.name", PRODUCTS, "%", 1, 24, is_sum=False),
    Subject("returns", "return rate", "returns.rate", "size", "products.size", SIZES, "%", 3, 31, is_sum=False),
    Subject("returns", "returns", "returns.count", "reason", "returns.reason", REASONS, "", 90, 4_000),
    Subject("returns", "refunds", "returns.refunded", "carrier", "shipments.carrier", CARRIERS, ".", 1_500, 48_000),
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
        "inventory",
        "days of cover",
        "inventory_items.days_of_cover",
        "product",
        "products.name",
        PRODUCTS,
        "",
        4,
        120,
        is_sum=False,
    ),
    Subject(
        "inventory",
        "stock value",
        "inventory_items.value",
        "supplier",
        "suppliers.name",
        SUPPLIERS,
        "$",
        20_000,
        480_000,
    ),
    Subject("inventory", "late deliveries", "purchase_orders.late", "supplier", "suppliers.name", SUPPLIERS, "", 2, 64),
    Subject("marketing", "spend", "campaigns.spend", "campaign", "campaigns.name", CAMPAIGNS, "$", 2_000, 80_000),
    Subject(
        "marketing",
        "conversion rate",
        "campaigns.conversion_rate",
        "campaign",
        "campaigns.name",
        CAMPAIGNS,
        "%",
        1,
        9,
        is_sum=False,
    ),
    Subject("marketing", "newsletter sign-ups", "newsletter.signups", "store", "stores.city", STORES, "", 40, 2_100),
    Subject("customers", "new customers", "users.new_count", "region", "users.region", REGIONS, "", 120, 9_000),
    Subject(
        "customers",
        "repeat purchase rate",
        "users.repeat_rate",
        "region",
        "users.region",
        REGIONS,
        "%",
        12,
        48,
        is_sum=False,
    ),
    Subject(
        "customers",
        "delivery time in days",
        "shipments.days",
        "carrier",
        "shipments.carrier",
        CARRIERS,
        ".",
        1,
        9,
        is_sum=False,
    ),
)
_TODAY = "CURRENT_DATE"
_MONTH_NAMES = tuple(calendar.month_name)
# Events of the sample company's half year: its name in a question, and when people asked about it, in days ago.
_EVENTS = (
    ("since the relaunch", "created_at >= (SELECT MAX(launched_on) FROM site_versions)", range(120, 183)),
    ("during the sale", "orders.promotion = 'sale'", range(70, 120)),
    ("since we changed carriers", "shipments.contract = 'new'", range(25, 70)),
    ("in the campaign weeks", "orders.promotion = 'campaign'", range(25)),
)


def periods(asked_on: date, days_ago: int) -> dict[str, str]:
    """Return the periods that somebody may ask about on a day so many days ago, each with its condition in SQL."""
    month = asked_on.replace(day=1) - timedelta(days=1)
    quarter = (asked_on.month - 1) // 3 or 4
    found = {
        "last month": f"created_at >= DATE_TRUNC('month', {_TODAY}) - INTERVAL '1 month'\n  AND created_at < DATE_TRUNC('month', {_TODAY})",
        "last quarter": f"created_at >= DATE_TRUNC('quarter', {_TODAY}) - INTERVAL '3 months'\n  AND created_at < DATE_TRUNC('quarter', {_TODAY})",
        "this year": f"created_at >= DATE_TRUNC('year', {_TODAY})",
        f"in Q{quarter}": f"DATE_TRUNC('quarter', created_at) = DATE_TRUNC('quarter', {_TODAY}) - INTERVAL '3 months'",
        "last week": f"DATE_TRUNC('week', created_at) = DATE_TRUNC('week', {_TODAY}) - INTERVAL '1 week'",
        "in the last 30 days": f"created_at >= {_TODAY} - INTERVAL '30 days'",
        f"in {_MONTH_NAMES[month.month]}": f"DATE_TRUNC('month', created_at) = DATE '{month:%Y-%m}-01'",
        "year to date": f"created_at >= DATE_TRUNC('year', {_TODAY})",
    }
    return found | {name: condition for name, condition, days in _EVENTS if days_ago in days}


OPENINGS = (
    "What is {measure} by {by} {period}?",
    "Show me {measure} per {by} {period}",
    "Which {by} had the highest {measure} {period}?",
    "Break {measure} down by {by} {period}, please",
    "Can you compare {measure} across {plural} {period}?",
    "I need {measure} by {by} {period} for the Monday meeting",
    "How did {measure} change by {by} {period}?",
    "Is {first} still ahead of {last} in {measure} {period}?",
    "hey, {measure} {period} split by {by}? thx",
    "My manager asks why {last} looks so weak. Can you pull {measure} by {by} {period}?",
    "{measure} by {by}, {period}",
    "Give me a ranking of {plural} by {measure} {period} and tell me what stands out.",
)
NAMES = (
    "{Measure} by {by}",
    "{Measure} by {by} {period}",
    "Comparing {measure} across {plural}",
    "{Measure} per {by} {period}",
    "Highest {measure} by {by}",
    "{first} against {last}: {measure}",
    "Why {last} is behind in {measure}",
    "Monday meeting: {measure} {period}",
    "{Measure} for the board {period}",
    "Ranking {plural} by {measure}",
    "{Measure}: a closer look at {first}",
    "Which {plural} drive {measure}",
    "{Measure} {period}, explained",
    "Checking {measure} for {first}",
)
# Sentences that end some answers.
NEXT_STEPS = (
    "Would you like to see this by week?",
    "I can break this down further by channel or by customer age.",
    "Note that orders from the last 24 hours may still be missing.",
    "Cancelled orders are left out; tell me if you want them in.",
    "I used the topic `{topic}` and its default filter on test orders.",
    "Next, I would look at **{last}** before the Monday meeting.",
)
