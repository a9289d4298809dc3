"""Conversations to search, in several languages, and the results that each query must have.

Written here, every one; the filling between them is generated, and holds none of the words that are asked for.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from omniviewer.demo.stand_in import Organization
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Conversation as InOmni
from omniviewer.demo.stand_in.organization import Member

BEGAN = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_NOUNS = ("margin", "basket", "visit", "shipment", "campaign", "invoice", "supplier", "branch", "cohort", "funnel")
_FIGURES = ("rose", "fell", "stalled", "doubled", "recovered", "halved", "peaked", "dipped")
LONG_TAIL = "quokka"


@dataclass(frozen=True)
class Told:
    key: str
    name: str | None
    turns: tuple[tuple[str, str | None], ...]
    topic: str = ""
    fields: tuple[str, ...] = ()
    query_name: str = ""
    state: str = "COMPLETE"
    ticket: str = ""
    is_bens: bool = False
    has_chart: bool = False


TOLD = (
    Told("returns", "Returns in Q3", (("How many returns did we have in Q3?", "There were **1,204** returns."),)),
    Told("follow-up", "Refund rate", (("How many refunds?", "Some 300."), ("And by region?", "North 120, south 180."))),
    Told("draft", "Revenue draft", (("Revenue by month?", "A draft: revenue was 12.5% up."),)),
    Told(
        "revenue", "Revenue by region", (("Revenue by region?", "Revenue in Bavaria leads the table."),), is_bens=True
    ),
    Told("order-items", "Line totals", (("Sum it up", "See `order_items.total` and order_items.sale_price."),)),
    Told(
        "fields",
        "Shipping",
        (("Which are late?", "Five."),),
        "Order Items",
        ("order_items.delivered_at",),
        "Late ones",
        has_chart=True,
    ),
    Told("failed", "Churn", (("Who churned?", "No."),), "Customers", (), "", "FAILED"),
    Told("cancelled", "Attrition", (("Who left?", "No."),), "Customers", (), "", "CANCELLED"),
    Told("unanswered", None, (("Is anybody looking at the werewolf numbers?", None),)),
    Told("ticket", "Escalation", (("Why is the dashboard wrong?", "A filter."),), ticket="ABC-123"),
    Told("cafe", "Cafés", (("Welche Cafés in München?", "Die Straße am Fluß führt zum Café Größenwahn."),)),
    Told("naive", "Naïve forecast", (("Une prévision naïve ?", "Où est l’été ? Ça va coûter 40 €."),)),
    Told("decomposed", "De\u0301compose\u0301", (("Cafe\u0301 noir?", "Oui, cafe\u0301 au lait."),)),
    Told("greek", "Πωλήσεις", (("Πόσες πωλήσεις στην Αθήνα;", "Εκατό ΠΩΛΉΣΕΙΣ."),)),
    Told("russian", "Выручка", (("Какая выручка в мае?", "Выручка выросла, ещё немного."),)),
    Told("chinese", "退货率分析", (("上个季度的退货率是多少？", "退货率为百分之三，上海最高。"),)),
    Told("japanese", "売上レポート", (("東京の売上はいくらですか", "東京の売上はﾚﾎﾟｰﾄの通りです。"),)),
    Told("korean", "반품률 분석", (("지난 분기 반품률은?", "서울이 가장 높습니다."),)),
    Told("thai", "ยอดขาย", (("ยอดขายในกรุงเทพเท่าไร", "ยอดขายเพิ่มขึ้น"),)),
    Told("hindi", "बिक्री", (("दिल्ली में बिक्री कितनी है?", "बिक्री बढ़ी।"),)),
    Told("arabic", "المبيعات", (("كم بلغت المبيعات في دبي؟", "بَلَغَت المبيعات مئة."),)),
    Told("hebrew", "מכירות", (("כמה מכירות בתל אביב?", "מאה."),)),
    Told("turkish", "İstanbul satışları", (("İstanbul’da satış kaç?", "Yüz."),)),
    Told("emoji", "Launch 🚀", (("Did we 🚀 ship?", "Yes 👍🏽 we did."),)),
    Told(
        "punctuation", "O'Brien; DROP TABLE--", (("What about C++ & C#?", "It's O'Brien's \"quoted\" NEAR( call *."),)
    ),
    Told("markup", "<b>Bold</b> claims", (("<script>alert(1)</script>?", "No <img src=x onerror=alert(1)> here."),)),
    Told("numbers", "Totals", (("What is 1,204.50 plus 3.1415?", "It is 1207.6415, or 1_207."),)),
    Told("long", "A long one", (("Tell me everything", "filler " * 20_000 + f"the last word is {LONG_TAIL} indeed"),)),
    Told(
        "letters",
        "Łączna sprzedaż",
        (("Jak stoi Kraków-Śródmieście?", "Søren Kjær, Đặng Văn Þór: œuvre, kırmızı, Ħaż-Żabbuġ, ŋuŋ."),),
    ),
    Told(
        "jamo",
        "\u1112\u1161\u11ab\u1100\u116e\u11a8",
        (("\u1106\u1162\u110e\u116e\u11af?", "pass\u00adword, co\u200d-op."),),
    ),
    Told("persian", "گزارش فروش", (("فروش تهران چقدر است؟", "کل فروش ۱۲۳۴۵ می\u200cشود."),)),
    Told("grouped", "₹12,34,567 in all", (("And in rubles?", "9 876 543 ₽, or 7.654.321,09 €."),)),
    Told("wide", "Ｆｕｌｌ ｗｉｄｔｈ", (("ﬁnance ½ price?", "Ⅷ of them, ①."),)),
)

# Search queries, each with the keys of the conversations that it must find: all of them, and nothing else.
QUERIES: dict[str, set[str]] = {
    "returns": {"returns"},
    "RETURNS": {"returns"},
    "returns q3": {"returns"},
    "q3": {"returns"},
    "refunds region": {"follow-up"},
    '"refund rate"': {"follow-up"},
    '"rate refund"': set(),
    # No phrase may reach from one message into the next.
    '"refunds some"': set(),
    "revenue": {"draft", "revenue"},
    "revenue -draft": {"revenue"},
    "-draft revenue": {"revenue"},
    'revenue -"by region"': {"draft"},
    "reven*": {"draft", "revenue"},
    "rev* bavaria": {"revenue"},
    '"revenue in bav"*': {"revenue"},
    # No text holds this phrase, so the search falls back to beginnings of words.
    '"revenue in bav"': {"revenue"},
    "bavar": {"revenue"},
    "bavar -revenue": set(),
    "bava delivered": set(),
    "order_items.total": {"order-items"},
    "order_items": {"order-items", "fields"},
    "items.total": {"order-items"},
    "sale_price": {"order-items"},
    "order_items.delivered_at": {"fields"},
    "delivered in:query": {"fields"},
    "delivered in:answer": set(),
    '"late ones"': {"fields"},
    '"order items"': {"order-items", "fields"},
    "returns in:question": {"returns"},
    "1,204 in:question": {"numbers"},
    "1,204 in:answer": {"returns"},
    "escalation in:name": {"ticket"},
    "escalation in:answer": set(),
    "topic:customers": {"failed", "cancelled"},
    'topic:"Order Items"': {"fields"},
    "topic:order": {"fields"},
    "topic:nothing": set(),
    "-topic:customers churned": set(),
    "state:failed": {"failed"},
    "state:cancelled": {"cancelled"},
    "state:failed state:cancelled": {"failed", "cancelled"},
    "state:unanswered": {"unanswered"},
    "customers -state:failed": {"cancelled"},
    "werewolf": {"unanswered"},
    "has:chart": {"fields"},
    "has:rows": {"fields"},
    "has:ticket": {"ticket"},
    "ticket:abc-123": {"ticket"},
    "ticket:ABC-999": set(),
    "owner:ben": {"revenue", "filling"},
    "owner:ben bavaria": {"revenue"},
    "revenue -owner:ben": {"draft"},
    "owner:nobody": set(),
    "cafe": {"cafe", "decomposed"},
    "CAFÉ": {"cafe", "decomposed"},
    "munchen": {"cafe"},
    "münchen": {"cafe"},
    "strasse": {"cafe"},
    "STRASSE fluss": {"cafe"},
    "naive": {"naive"},
    "été": {"naive"},
    "ca va": {"naive"},
    "décomposé": {"decomposed"},
    "πωλησεις": {"greek"},
    "αθηνα": {"greek"},
    "выручка": {"russian"},
    "еще": {"russian"},
    "退货": {"chinese"},
    "退货率": {"chinese"},
    "货率分": {"chinese"},
    "上海": {"chinese"},
    "海": {"chinese"},
    "率上": set(),
    "東京": {"japanese"},
    "売上": {"japanese"},
    "レポート": {"japanese"},
    "반품률": {"korean"},
    "품률": {"korean"},
    "서울": {"korean"},
    "กรุงเทพ": {"thai"},
    "ยอดขาย": {"thai"},
    "बिक्री": {"hindi"},
    "المبيعات": {"arabic"},
    "بلغت": {"arabic"},
    "מכירות": {"hebrew"},
    "istanbul": {"turkish"},
    "İSTANBUL": {"turkish"},
    "🚀": {"emoji"},
    "👍": {"emoji"},
    "o'brien": {"punctuation"},
    "'; --": set(),
    "near(": {"punctuation"},
    "NEAR(call, quoted)": {"punctuation"},
    "c++": {"punctuation"},
    "quoted": {"punctuation"},
    "alert": {"markup"},
    "<script>": {"markup"},
    "onerror=alert(1)": {"markup"},
    "1204": {"returns", "numbers"},
    "1204.50": {"numbers"},
    "1'204": {"returns", "numbers"},
    "1 204 returns": {"returns"},
    "120*": {"returns", "numbers", "follow-up"},
    "1,204": {"returns", "numbers"},
    "1,204.50": {"numbers"},
    "3.1415": {"numbers"},
    "12.5%": {"draft"},
    "laczna": {"letters"},
    "soren kjaer": {"letters"},
    "dang van thor": {"letters"},
    "oeuvre kirmizi": {"letters"},
    "HAZ-ZABBUG": {"letters"},
    "nun": {"letters"},
    "한국": {"jamo"},
    "매출": {"jamo"},
    "password": {"jamo"},
    "pass\u200bword": {"jamo"},
    "گزارش": {"persian"},
    "كل": {"persian"},
    "12345": {"persian"},
    "۱۲٬۳۴۵": {"persian"},
    "ميشود": {"persian"},
    "1234567": {"grouped"},
    "1.234.567": {"grouped"},
    "1 234 567": {"grouped"},
    "9,876,543": {"grouped"},
    "98,76,543": {"grouped"},
    "7654321.09": {"grouped"},
    '"or 7,654,321.09"': {"grouped"},
    "1234568": set(),
    LONG_TAIL: {"long"},
    f'"word is {LONG_TAIL}"': {"long"},
    f'"word {LONG_TAIL}"': set(),
    f"filler -{LONG_TAIL}": set(),
    "full width": {"wide"},
    "finance": {"wide"},
    "dashboard OR churn": set(),
    "nosuchwordanywhere": set(),
}
# Queries that make no sense must find nothing or everything, say so, and never fail.
NONSENSE = (
    '"', '""', '"unbalanced phrase', "*", "**", "-", "--", '-"', "-*", "a*b*c", "()", "NEAR(", "NOT", "AND OR NOT",
    "^returns", "name:returns", "{name} : returns", "returns : ", ":", "from:", "from:soon", "to:2026-99", "on:0",
    "state:broken", "has:nothing", "in:", "in:question", "is:mine", "hour:25", "weekday:xyz", "owner:", "topic:***",
    "ticket:'", "'; DROP TABLE conversations_words; --", "\\", "%", "_", "\x00", "\x01\x02", "\u202e\u200b", "\ud7ff",
    "🚀" * 200, "x" * 10_000, "a " * 5_000, '"' * 999, "(" * 500, "-" * 500, "* " * 300, "returns\x00", "退" * 500,
    "facts:state", "state·failed", "1 or 1=1", "&|!<->:*", "'a':A", "order_items.total::text", "$$", "\n\r\t",
)  # fmt: skip


def fill(organization: Organization, ann: Member, ben: Member, *, filling: int = 60) -> dict[str, InOmni]:
    """Add the conversations of `TOLD`, and `filling` more; return those of `TOLD` by key."""
    made: dict[str, InOmni] = {}
    for number, told in enumerate(TOLD):
        began = BEGAN + timedelta(days=number)
        owner = ben if told.is_bens else ann
        found = organization.add_conversation(owner=owner, name=told.name, turns=told.turns, started_at=began)
        for job in found.jobs:
            if told.fields or told.query_name:
                query = {"table": told.fields[0].split(".", maxsplit=1)[0], "fields": list(told.fields)}
                job.actions = (Step("generate_query", "Looking", told.query_name, query, [["n"], ["5"], ["6"]]),)
                job.chart = told.has_chart
            job.topic = told.topic or None
            if told.turns[-1][1] is not None:
                job.state = told.state
        made[told.key] = found
    for number in range(filling):
        noun, figure = _NOUNS[number % len(_NOUNS)], _FIGURES[number % len(_FIGURES)]
        organization.add_conversation(
            owner=(ann, ben)[number % 2],
            name=f"{noun.title()} {number}",
            turns=[(f"How did the {noun} do in week {number}?", f"The {noun} {figure} by {number} percent.")],
            started_at=BEGAN + timedelta(hours=7 * number, minutes=13),
        )
    return made
