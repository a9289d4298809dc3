"""Our own charts: which rows make one, that it shows the numbers truly, and that it is only a picture."""

import re
from base64 import b64encode
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Locator, Page, expect

from conversations.charts import columns, spec, svg
from conversations.charts.columns import Column
from conversations.charts.spec import Plot
from conversations.tables import parsing
from omniviewer.accounts.models import User
from omniviewer.demo.stand_in import Fault, Organization, StandIn
from omniviewer.demo.stand_in.organization import Action as Step
from omniviewer.demo.stand_in.organization import Member
from tests.captured import answered, thread, work
from tests.conftest import credential_for, sign_in, signed_in, text_of

DAY = timedelta(days=1)
SVG = "{http://www.w3.org/2000/svg}"


def of(text: str, title: str = "Orders") -> list[Plot]:
    return spec.table_plots(parsing.read(text), title)


def parsed(drawn: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314  (our own)


def drawn(plot: Plot) -> ElementTree.Element:
    return parsed(svg.draw(plot))


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def bars(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Return x, y, width and height of each bar, in order."""
    found = [rect for rect in root.iter(f"{SVG}rect") if "rect" in rect.get("class", "").split()]
    return [tuple(float(rect.get(name, "0")) for name in ("x", "y", "width", "height")) for rect in found]  # type: ignore[misc]


def days(*numbers: int) -> str:
    return "Day,N\n" + "".join(f"2026-03-{number:02},{number}\n" for number in numbers)


# Tables that suit a chart: the text, then for each chart its kind, its measures, and its labels ("" is a gap).
SHAPES: dict[str, tuple[str, list[tuple[str, list[str], list[str]]]]] = {
    "months": ("Month,Orders\n2026-01,1\n2026-02,2\n", [("line", ["Orders"], ["2026-01", "2026-02"])]),
    "out of order": ("Month,Orders\n2026-02,2\n2026-01,1\n", [("line", ["Orders"], ["2026-01", "2026-02"])]),
    "a month left out": ("M,N\n2026-01,1\n2026-03,2\n", [("line", ["N"], ["2026-01", "", "2026-03"])]),
    "named months": ("M,N\nJan 2026,1\nFebruary 2026,2\n", [("line", ["N"], ["Jan 2026", "February 2026"])]),
    "quarters": ("Q,N\nQ1 2026,1\nQ2 2026,2\n", [("line", ["N"], ["Q1 2026", "Q2 2026"])]),
    "a quarter left out": ("Q,N\n2025-Q4,1\n2026-Q2,2\n", [("line", ["N"], ["2025-Q4", "", "2026-Q2"])]),
    "weeks": ("W,N\n2026-W01,1\n2026-W02,2\n", [("line", ["N"], ["2026-W01", "2026-W02"])]),
    "a 53rd week": ("W,N\n2026-W53,1\n2027-W01,2\n", [("line", ["N"], ["2026-W53", "2027-W01"])]),
    "years": ("Year,N\n2024,1\n2025,2\n", [("line", ["N"], ["2024", "2025"])]),
    "moments": (
        "At,N\n2026-01-01T10:00:00Z,1\n2026-01-01 12:00,2\n",
        [("line", ["N"], ["2026-01-01T10:00:00Z", "2026-01-01 12:00"])],
    ),
    "days": (days(1, 2, 3, 4, 5), [("line", ["N"], [f"2026-03-{n:02}" for n in range(1, 6)])]),
    "days with a hole": (
        days(1, 2, 3, 4, 7, 8),
        [("line", ["N"], ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04", "", "2026-03-07", "2026-03-08"])],
    ),
    "days as they come": (days(1, 4, 9, 16, 25), [("line", ["N"], [f"2026-03-{n:02}" for n in (1, 4, 9, 16, 25)])]),
    "names": ('P,R\nHat,"$1,200"\nCap,$900\n', [("bar", ["R"], ["Hat", "Cap"])]),
    "a name that looks like a year": ("Number,N\n2024,1\n2025,2\n", []),
    "two measures": ("P,A,B\nHat,1,2\nCap,3,4\n", [("bar", ["A", "B"], ["Hat", "Cap"])]),
    "another unit": (
        "P,A,B\nHat,$10,5%\nCap,$30,4%\n",
        [("bar", ["A"], ["Hat", "Cap"]), ("bar", ["B"], ["Hat", "Cap"])],
    ),
    "another size": ("P,A,B\nHat,1,2000\nCap,3,4\n", [("bar", ["A"], ["Hat", "Cap"]), ("bar", ["B"], ["Hat", "Cap"])]),
    "nothing in one measure": ("P,A,B\nHat,1,-\nCap,3,\n", []),
    "six measures": ("P,A,B,C,D,E,F\nx,1,1,1,1,1,1\ny,1,1,1,1,1,1\n", []),
    "no measure": ("P\nx\ny\n", []),
    "a text beside": ("P,A,Note\nx,1,good\ny,2,bad\n", []),
    "one row": ("P,A\nx,1\n", []),
    "the same name twice": ("P,A\nx,1\nx,2\n", []),
    "the same time twice": ("P,A\n2026-01,1\n2026/01,2\n", []),
    "a name missing": ("P,A\nx,1\n,2\n", []),
    "numbers beside numbers": ("A,B\n1,2\n3,4\n", []),
    "no such day": ("D,N\n2026-02-30,1\n2026-02-31,2\n", [("bar", ["N"], ["2026-02-30", "2026-02-31"])]),
    "a total below the months": ("M,N\n2026-01,1\nTotal,2\n", [("bar", ["N"], ["2026-01", "Total"])]),
    "money beside numbers": (
        "P,A,B\nHat,$10,20\nCap,$30,40\n",
        [("bar", ["A"], ["Hat", "Cap"]), ("bar", ["B"], ["Hat", "Cap"])],
    ),
    "far too small": ("P,A\nx,1e-323\ny,0\n", []),
    "ids": ("P,customer_id,N\nHat,7001,1\nCap,7002,2\n", []),
    "ids in one word": ("P,customerId\nHat,7001\nCap,7002\n", []),
    "a year as a name": ("P,Year,N\nHat,2025,1\nCap,2026,2\n", []),
    "a year as a span": ('P,This year\nHat,"2,025"\nCap,"1,026"\n', [("bar", ["This year"], ["Hat", "Cap"])]),
    "postal codes": ("P,users.zip,N\nHat,10115,1\nCap,80331,2\n", []),
    "by postal code": ("P,Orders per zip\nHat,10\nCap,80\n", [("bar", ["Orders per zip"], ["Hat", "Cap"])]),
    "codes with a zero": ("P,Number\nHat,0042\nCap,1042\n", []),
    "what is paid": ("P,Paid\nHat,42\nCap,10\n", [("bar", ["Paid"], ["Hat", "Cap"])]),
    "a row too short": ("P,A,B\nHat,1,2\nCap,3\n", []),
    "nothing but zero": ("P,A\nx,0\ny,0\n", [("bar", ["A"], ["x", "y"])]),
    "several currencies": ("P,R\nHat,$5\nCap,£7\nBag,¥900\n", []),
    "a share among numbers": ("P,R\nHat,5%\nCap,7\n", []),
    "telephones": ("P,Mobile\nHat,4155550123\nCap,2095257564\n", []),
    "sessions by telephone": ("P,Mobile\nHat,120\nCap,40\n", [("bar", ["Mobile"], ["Hat", "Cap"])]),
    "invoice numbers": ('P,Invoice No.,N\nHat,"10,234",1\nCap,"10,237",2\n', []),
    "tickets": ("P,ticketNumber\nHat,81\nCap,99\n", []),
    "a total": ("P,Total number\nHat,81\nCap,99\n", [("bar", ["Total number"], ["Hat", "Cap"])]),
    "how many": ("P,# of orders\nHat,81\nCap,99\n", [("bar", ["# of orders"], ["Hat", "Cap"])]),
    "ranks": ("P,Rank (by revenue)\nHat,1\nCap,2\n", []),
    "coordinates": ("P,lat,lng\nHat,59.91,10.75\nCap,41.9,12.49\n", []),
    "years that people are born in": ("P,Founded\nHat,1987\nCap,2011\n", []),
    "years with a comma": ('P,Model Year\nHat,"2,021"\nCap,"2,022"\n', []),
    "euros": ('P,R\nHat,"1.234,50 €"\nCap,"987,00 €"\n', [("bar", ["R"], ["Hat", "Cap"])]),
    "thousands that may be decimals": ("P,R\nHat,12.345 €\nCap,987 €\n", []),
    "days of the United States": (
        "D,N\n2/27/2026,1\n2/28/2026,2\n3/1/2026,3\n",
        [("line", ["N"], ["2/27/2026", "2/28/2026", "3/1/2026"])],
    ),
    "days that may be months": ("D,N\n1/2/2026,1\n2/2/2026,2\n", [("bar", ["N"], ["1/2/2026", "2/2/2026"])]),
    "months without a year": ("M,N\nMar,1\nApr,2\n", [("bar", ["N"], ["Mar", "Apr"])]),
    "across a gap": ("P,N\n# FIRST 1 ROWS:\nHat,1\n# LAST 1 ROWS:\nCap,2\n", []),
    "the beginning of a cut result": (
        "P,N\n# FIRST 2 ROWS:\nHat,1\nCap,2\n",
        [("bar", ["N"], ["Hat", "Cap"])],
    ),
    "far too large": (f"P,A\nx,1{'0' * 40}\ny,2\n", []),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_suits_and_what_does_not(shape: str) -> None:
    text, expected = SHAPES[shape]
    found = of(text)
    assert [
        ("line" if plot.times else "bar", [column.name for column, _ in plot.measures], plot.labels) for plot in found
    ] == expected
    for plot in found:
        assert drawn(plot).tag == f"{SVG}svg"


def test_names_beyond_thirty_are_left_out_and_that_is_said() -> None:
    (plot,) = of("P,N\n" + "".join(f"name {n},{n}\n" for n in range(54)))
    assert len(plot.labels) == 30
    assert "Orders (the first 30 of 54)" in texts(drawn(plot))
    assert of("P,N\n" + "".join(f"name {n},{n}\n" for n in range(61))) == []
    assert of("D,N\n" + "".join(f"{1900 + n // 12}-{n % 12 + 1:02},1\n" for n in range(401))) == []


def test_of_a_result_that_omni_cut_it_says_so() -> None:
    text = "Month,Orders\n2026-01,1\n2026-02,2\n"
    (plot,) = spec.table_plots(parsing.read(text), "Orders by month and by much else besides", is_cut=True)
    assert "Omni truncated the result: not all of it is drawn." in plot.alt
    for form in (plot, plot.narrow()):
        assert any(said.endswith(" (not all rows)") for said in texts(drawn(form)))
    (plot,) = of(text)
    assert "cut" not in plot.alt
    assert not any("not all rows" in said for said in texts(drawn(plot)))


# That it tells no lies ------------------------------------------------------------------------------------


def test_bars_start_at_zero_and_are_as_long_as_their_numbers() -> None:
    (plot,) = of("P,N\nHat,100\nCap,103\nBag,50\n")
    heights = [height for _, _, _, height in bars(drawn(plot))]
    assert heights[0] / heights[2] == pytest.approx(2, rel=0.02)
    assert heights[1] / heights[0] == pytest.approx(1.03, rel=0.02)
    assert "0" in texts(drawn(plot))


def test_beside_each_other_too_in_the_order_of_the_rows() -> None:
    names = [f"A long name of a product, the end of which is {n}" for n in (1, 2, 3)]
    rows = [f'"{name}",{400 - 100 * place}\n' for place, name in enumerate(names, start=1)]
    (plot,) = of("Product,N\n" + "".join(rows))
    assert plot.is_beside
    at = {"".join(text.itertext())[-1]: float(text.get("y", "0")) for text in drawn(plot).iter(f"{SVG}text")}
    assert at["1"] < at["2"] < at["3"]
    widths = {round(y): width for _, y, width, _ in bars(drawn(plot))}
    from_the_top = [width for _, width in sorted(widths.items())]
    assert from_the_top[0] / from_the_top[2] == pytest.approx(3, rel=0.02)
    assert from_the_top[1] / from_the_top[2] == pytest.approx(2, rel=0.02)


def test_what_is_negative_hangs_below_zero() -> None:
    (plot,) = of("P,N\nHat,100\nCap,-50\n")
    (_, y_up, _, up), (_, y_down, _, down) = bars(drawn(plot))
    assert up / down == pytest.approx(2, rel=0.02)
    assert y_up + up == pytest.approx(y_down, abs=1)


def test_a_missing_value_is_no_bar_and_no_zero() -> None:
    (plot,) = of("P,N\nHat,100\nCap,-\nBag,50\n")
    assert len(bars(drawn(plot))) == 2


@pytest.mark.parametrize("gap", ["2026-03,\n", ""])
def test_a_gap_in_a_line_stays_a_gap(gap: str) -> None:
    (plot,) = of(f"M,N\n2026-01,5\n2026-02,6\n{gap}2026-04,7\n2026-05,8\n")
    lines = [path.get("d", "") for path in drawn(plot).iter(f"{SVG}path") if "reactive" in path.get("class", "")]
    assert len(lines) == 2
    assert all(len(re.findall(r"[-\d.]+ [-\d.]+", line)) == 2 for line in lines)


def test_times_stand_at_their_true_distances() -> None:
    (plot,) = of("At,N\n2026-01-01,1\n2026-01-02,1\n2026-01-11,1\n")
    at = sorted(float(dot.get("cx", "0")) for dot in drawn(plot).iter(f"{SVG}circle"))
    assert (at[2] - at[1]) / (at[1] - at[0]) == pytest.approx(9, rel=0.05)


def test_numbers_are_written_as_people_do() -> None:
    (plot,) = of('P,R\nHat,"$1,200,000"\nCap,"$450,000"\n')
    assert "$1M" in texts(drawn(plot))
    assert "highest $1.2M (Hat), lowest $450K (Cap)" in plot.alt
    (plot,) = of("P,R\nHat,12.5%\nCap,(3%)\n")
    assert "highest 12.5% (Hat), lowest −3% (Cap)" in plot.alt
    (plot,) = of("P,R\nHat,0.00012\nCap,0.5\n")
    assert "highest 0.5 (Cap), lowest 0.00012 (Hat)" in plot.alt


# That it is a picture and nothing else --------------------------------------------------------------------


def assert_harmless(drawn: bytes) -> None:
    assert len(drawn) < 300_000
    root = parsed(drawn)
    for element in root.iter():
        assert element.tag.startswith(SVG)
        assert element.tag.removeprefix(SVG) in {
            "svg",
            "title",
            "desc",
            "style",
            "g",
            "rect",
            "path",
            "line",
            "text",
            "circle",
        }
        for name, value in element.attrib.items():
            assert not re.search(r"href|^on|src|style", name), name
            assert "url(" not in value
    style = root.find(f"{SVG}style")
    assert style is not None
    assert not re.search(r"url\(|@import|[<&]", style.text or "")


NASTY = "</text><script>alert(1)</script>\u202e<image href='https://evil.example/x'/>]]>&amp;\x08"


def test_hostile_names_are_text() -> None:
    rows = f'"{NASTY}",N"{NASTY}"\n"a {NASTY}",1\n"b {NASTY}",2\n'
    (plot,) = of(rows, NASTY)
    drawn = svg.draw(plot)
    assert_harmless(drawn)
    assert b"<script" not in drawn


CELL = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["1", "$2", "(3%)", "-", "", "2026-01", "2026-02-03", "Q1 2026", "1e9", "1e300", "0.0001", "2025"]),
    st.integers().map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.floats().map(str),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=12), st.text(max_size=50))
def test_any_table_makes_harmless_pictures_or_none(rows: list[list[str]], title: str) -> None:
    width = max(len(row) for row in rows)
    table = parsing.Table(
        tuple(parsing.Column(number, f"c{number}", number > 1 or rows[0][0] == "1") for number in range(1, width + 1)),
        [row + [""] * (width - len(row)) for row in rows],
    )
    for plot in spec.table_plots(table, title):
        assert_harmless(svg.draw(plot))
        assert plot.alt


@settings(max_examples=60, deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=3), min_size=2, max_size=20))
def test_any_numbers_can_be_drawn(numbers: list[object]) -> None:
    for plot in of("P,N\n" + "".join(f"n{place},{number:f}\n" for place, number in enumerate(numbers))):
        assert_harmless(svg.draw(plot))
        assert_harmless(svg.draw(plot.narrow()))


def test_many_points_are_drawn_in_little_time_and_space() -> None:
    text = "D,A,B,C,D,E\n" + "".join(f"{1990 + n // 12}-{n % 12 + 1:02},1,2,3,4,{n}\n" for n in range(400))
    found = of(text)
    assert sum(len(plot.measures) for plot in found) == 5
    for plot in found:
        assert_harmless(svg.draw(plot))


def channel(value: int) -> float:
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def luminance(colour: str) -> float:
    red, green, blue = (channel(int(colour[place : place + 2], 16)) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_colour_stands_out_from_its_background() -> None:
    for place, background in enumerate(("#ffffff", "#1b1f25")):
        for pair in (pair for name, pair in svg.COLOURS.items() if name.startswith("--series")):
            light, dark = sorted((luminance(pair[place]), luminance(background)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3


# On the site ----------------------------------------------------------------------------------------------


@pytest.fixture
def without_chart(reads: Client, small: Organization, analyst: Member) -> str:
    """Return the address of an answer for which Omni has no picture, with its evidence stored."""
    found = answered(small, analyst, ages=[DAY])
    job = found.messages[1].job
    assert job
    job.chart = False
    rows = [["Month", "Orders", "Share"], ["2026-01", "10", "5%"], ["2026-02", "20", "6%"]]
    job.actions = (Step("generate_query", "", "Orders by month", {"table": "orders"}, rows),)
    reads.get(thread(found))
    work()
    return f"{thread(found)}messages/2/"


def test_the_evidence_shows_it_where_omni_has_none(reads: Client, without_chart: str, small_omni: StandIn) -> None:
    small_omni.requests.clear()
    page = text_of(reads.get(f"{without_chart}evidence/"))
    assert f'srcset="{without_chart}queries/1.svg?narrow=1" width="380" height="320"' in page
    assert f'src="{without_chart}queries/1.svg" width="760" height="380" alt="Line chart “Orders by month”' in page
    assert f'src="{without_chart}queries/1-2.svg"' in page
    assert "Drawn by Omniviewer from the rows: Omni has no chart for this answer." in page
    part = text_of(reads.get(f"{without_chart}evidence/", headers={"HX-Request": "true"}))
    assert "queries/1.svg" in part
    assert "queries/1.svg" in text_of(reads.get(f"{without_chart}queries/1/"))
    assert small_omni.requests == []
    answer = reads.get(f"{without_chart}queries/1.svg")
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    assert_harmless(answer.content)


@pytest.mark.django_db(transaction=True)
def test_on_a_telephone_it_is_drawn_narrower(page: Page, site: str, without_chart: str) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    sign_in(page, site, at=f"{without_chart}evidence/")
    expect(page.get_by_role("img").first).to_have_js_property("naturalWidth", 380)
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(page.get_by_role("img").first).to_have_js_property("naturalWidth", 760)


@pytest.mark.parametrize("place", ["queries/1-3.svg", "queries/1-0.svg", "queries/2.svg", "queries/9.svg"])
def test_what_is_not_drawn_is_not_found(reads: Client, without_chart: str, place: str) -> None:
    assert reads.get(f"{without_chart}{place}").status_code == 404


def test_it_is_for_readers_of_the_conversation_alone(
    reads: Client, stranger: User, without_chart: str, small: Organization, small_omni: StandIn
) -> None:
    credential_for(stranger, small_omni, small.personal_token(small.add_member("Else", "else@small.example")))
    client = signed_in(stranger)
    for place in ("queries/1.svg", "charts/"):
        # The page is loaded again, and says why.
        answer = client.get(f"{without_chart}{place}", headers={"HX-Request": "true"})
        assert (answer.headers["HX-Refresh"], answer.content) == ("true", b"")
        answer = client.get(f"{without_chart}{place}", follow=True)
        assert answer.status_code == 404
        assert b"<svg" not in answer.content


def test_while_omni_cannot_be_asked_for_its_own_that_is_said(
    reads: Client, small: Organization, small_omni: StandIn, analyst: Member
) -> None:
    found = answered(small, analyst, ages=[DAY])
    reads.get(thread(found))
    small_omni.fail(Fault.status(503), path="/v1/ai/jobs/" + str(found.messages[1].job.id) + "/vis")  # type: ignore[union-attr]
    page = text_of(reads.get(f"{thread(found)}messages/2/evidence/"))
    assert "Omni’s own chart could not be fetched." in page
    assert "queries/1.svg" in page
    part = text_of(reads.get(f"{thread(found)}messages/2/evidence/", headers={"HX-Request": "true"}))
    assert 'hx-get="' + thread(found) + 'messages/2/charts/" hx-trigger="load"' in part
    small_omni.recover()
    part = text_of(reads.get(f"{thread(found)}messages/2/charts/", headers={"HX-Request": "true"}))
    assert "chart.png" in part or "queries/1.svg" in part


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("chosen", "system"), [("", "light"), ("", "dark"), ("dark", "light"), ("light", "dark")])
def test_it_follows_the_readers_theme(
    page: Page, site: str, without_chart: str, chosen: str, system: str, tmp_path: object
) -> None:
    page.emulate_media(color_scheme=system)  # type: ignore[arg-type]
    if chosen:
        page.context.add_cookies([{"name": "theme", "value": chosen, "url": site}])
    sign_in(page, site, at=f"{without_chart}evidence/")
    chart = page.get_by_role("img").first
    expect(chart).to_be_visible()
    expect(chart).to_have_js_property("naturalWidth", 760)
    night = (chosen or system) == "dark"
    assert paper(chart) == ([27, 31, 37] if night else [255, 255, 255])
    page.emulate_media(media="print", color_scheme=system)  # type: ignore[arg-type]
    assert paper(chart) == [255, 255, 255]


def paper(chart: Locator) -> list[int]:
    """Return the colour of the chart's background, as shown."""
    shown = chart.screenshot()
    beside = chart.page.context.new_page()  # where no policy forbids to look at it
    found: list[int] = beside.evaluate(
        """async shown => {
            const image = new Image();
            image.src = `data:image/png;base64,${shown}`;
            await image.decode();
            const canvas = document.createElement("canvas");
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return [...context.getImageData(12, 12, 1, 1).data.slice(0, 3)];
        }""",
        b64encode(shown).decode(),
    )
    beside.close()
    return found


def test_no_text_sticks_out(chromium: Browser) -> None:
    long = "A name that is much longer than anybody would wish for it to be number"
    texts_of = [
        f"{long} x,{long} y,{long} z\n" + "".join(f"{long} {n},{n * 1000003},{n * 7919}\n" for n in range(1, 12)),
        f"Month,{long} a,{long} b,{long} c\n" + "".join(f"2026-{m:02},1,2,{m}\n" for m in range(1, 13)),
        "W,N\n" + "".join(f"第三季度收入与退货率以及更多{n},{n}\n" for n in range(1, 8)),
        "W,N\n" + "".join(f"{'W' * 9}{n},{10**n}\n" for n in range(1, 8)),
    ]
    page = chromium.new_page()
    for text in texts_of:
        drawn = of(text, long)
        assert drawn
        for plot in [*drawn, *[plot.narrow() for plot in drawn]]:
            page.set_content(svg.draw(plot).decode())
            out = page.evaluate(
                """() => {
                    const frame = document.querySelector("svg").getBoundingClientRect();
                    return [...document.querySelectorAll("text")].filter((text) => {
                        const box = text.getBoundingClientRect();
                        const aside = box.left < frame.left - 1 || box.right > frame.right + 1;
                        return box.width && (aside || box.bottom > frame.bottom + 1);
                    }).map((text) => text.textContent);
                }"""
            )
            assert out == []
    page.close()


def test_european_numbers_are_drawn_at_their_size() -> None:
    (plot,) = of('P,R\nHat,"2.000,00 €"\nCap,"1.000,00 €"\n')
    heights = [height for _, _, _, height in bars(drawn(plot))]
    assert heights[0] / heights[1] == pytest.approx(2, rel=0.02)
    assert "highest €2K (Hat), lowest €1K (Cap)" in plot.alt


def test_lines_that_lie_on_each_other_are_all_seen() -> None:
    """An upper line has gaps through which the lower ones show, and its dots leave a ring of theirs."""
    rows = "Month,A,B,C\n" + "".join(f"2026-{month:02},{month},{month},{month}\n" for month in range(1, 7))
    (plot,) = spec.table_plots(parsing.read(rows), "Equal")
    drawn = svg.draw(plot).decode()
    radii: dict[str, list[float]] = {"0": [], "1": [], "2": []}
    for part in drawn.split('class="series serie-')[1:]:
        radii[part[0]] += map(float, re.findall(r'<circle[^>]* r="([\d.]+)"', part))
    assert min(radii["0"]) > max(radii["1"])
    assert min(radii["1"]) > max(radii["2"])
    for number in (1, 2):
        assert re.search(rf"\.serie-{number} \.line\s*{{\s*stroke-dasharray: [^;]+;", drawn)
    assert "serie-0 .line" not in drawn


def _heights(drawn: str) -> list[float]:
    return [float(height) for height in re.findall(r'class="part part-percentile"[^>]* height="([\d.]+)"', drawn)]


@pytest.mark.parametrize("others", [6, 29])
def test_a_column_far_above_the_others_is_cut_off_and_says_its_height(others: int) -> None:
    usual = [Column(f"{day}", f"{day}: usual", "", [("percentile", 50 + day)]) for day in range(others)]
    slow = Column("slow", "slow: 29 min", "", [("percentile", 1742.0), ("median", 40)])
    alone = columns.draw(usual, "Time", columns.WIDE, is_stacked=False, of_seconds=True)
    drawn = columns.draw([*usual[:3], slow, *usual[3:]], "Time", columns.WIDE, is_stacked=False, of_seconds=True)
    heights = _heights(drawn)
    assert heights[:3] + heights[4:] == _heights(alone)
    assert heights[3] == pytest.approx(200 - 22 - 12)
    assert ">29 min</text>" in drawn
    assert drawn.count("column-gap") == 1
    assert "column-gap" not in alone


def test_few_columns_and_counts_are_drawn_whole() -> None:
    few = [Column("", "", "", [("percentile", size)]) for size in (10, 10, 1000)]
    drawn = columns.draw(few, "Time", columns.WIDE, is_stacked=False, of_seconds=True)
    assert "column-gap" not in drawn
    assert max(_heights(drawn)) / min(_heights(drawn)) == pytest.approx(100, rel=0.05)
    counts = [Column("", "", "", [("percentile", size)]) for size in (*[1] * 10, 1000)]
    assert "column-gap" not in columns.draw(counts, "Questions", columns.WIDE, is_stacked=True)
