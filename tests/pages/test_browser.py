"""The whole site as a person uses it, in Chromium, with the strict Content-Security-Policy on."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from omniviewer.accounts.models import Credential, User
from omniviewer.demo.stand_in import StandIn
from tests.conftest import EXAMPLE, PASSWORD, assert_accessible, credential_for, person, sign_in, sign_in_by_form

pytestmark = pytest.mark.django_db(transaction=True)


def test_from_signing_in_to_a_message(page: Page, site: str, owner: User, omni: StandIn) -> None:
    sign_in_by_form(page, site)
    expect(page.get_by_role("heading", name="Connect Omni first")).to_be_visible()
    page.get_by_role("link", name="Connect Omni").click()
    page.get_by_label("Instance address").fill(f"{omni.url}/api/")
    page.get_by_label("Token", exact=True).fill(omni.organization.demo_tokens["analyst"])
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("sees only its owner’s conversations")
    expect(page.get_by_role("heading", name="Conversations", level=1)).to_be_visible()
    page.locator(".row").first.click()
    expect(page.get_by_role("article").first).to_be_visible()
    page.goto(f"{site}/conversations/{EXAMPLE}/")
    expect(page.get_by_role("article")).to_have_count(4)
    page.get_by_role("link", name="Link to message 2").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{site}/conversations/{EXAMPLE}/messages/2/"
    page.goto(copied)
    expect(page.locator("#message-2")).to_be_focused()
    expect(page.locator("#message-2")).to_be_in_viewport()


def test_a_link_survives_signing_in_and_connecting(page: Page, site: str, owner: User, omni: StandIn) -> None:
    sign_in_by_form(page, site, at=f"/conversations/{EXAMPLE}/messages/4/")
    page.get_by_role("link", name="Connect Omni").click()
    page.get_by_label("Instance address").fill(omni.url)
    page.get_by_label("Token", exact=True).fill(omni.organization.demo_tokens["analyst"])
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page).to_have_url(f"{site}/conversations/{EXAMPLE}/messages/4/")
    expect(page.locator("#message-4")).to_be_focused()


def test_a_message_deep_in_a_long_thread_is_in_view(page: Page, site: str, owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["lead"])
    longest = max(omni.organization.conversations, key=lambda row: len(row.messages))
    sign_in(page, site, at=f"/conversations/{longest.id}/messages/333/")
    expect(page.locator("#message-333")).to_be_focused()
    page.wait_for_timeout(500)
    expect(page.locator("#message-333 h2")).to_be_in_viewport()


def test_times_are_in_the_readers_zone(page: Page, site: str, owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"/conversations/{EXAMPLE}/")
    expect(page.locator("#message-1 time")).to_have_text(re.compile(r"15 Jan 2025, 11:00 CET"))


def test_the_theme_switches_at_once_and_is_remembered(page: Page, site: str, owner: User) -> None:
    sign_in(page, site)
    page.get_by_text("owner", exact=True).first.click()
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.get_by_text("owner", exact=True).first.click()
    page.get_by_role("button", name="Light").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_the_keyboard_alone_is_enough(page: Page, site: str, owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site)
    expect(page.get_by_role("heading", name="Conversations", level=1)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("combobox", name="Search questions")).to_be_focused()
    row = page.get_by_role("main").locator(".row").first.get_by_role("link")
    for _ in range(12):
        page.keyboard.press("Tab")
        if row.evaluate("link => link === document.activeElement"):
            break
    expect(row).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("article").first).to_be_visible()


def test_ids_are_copied(page: Page, site: str, owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"/conversations/{EXAMPLE}/")
    page.locator("#message-2").get_by_text("More", exact=True).click()
    page.locator("#message-2").get_by_role("button", name="Copy the job’s id").click()
    assert page.evaluate("navigator.clipboard.readText()") == "550e8400-e29b-41d4-a716-446655440000"
    expect(page.get_by_text("Id copied")).to_be_visible()
    # The message stands away from the button that was used, wherever that is in the window.
    page.set_viewport_size({"width": 390, "height": 600})
    button = page.locator("#message-2 [data-copy]:visible").first
    for place in (540, 400, 200, 120):
        button.evaluate("(button, place) => scrollBy(0, button.getBoundingClientRect().top - place)", place)
        button.click()
        said, used = page.locator(".copied").bounding_box(), button.bounding_box()
        assert said
        assert used
        assert said["y"] + said["height"] < used["y"] or said["y"] > used["y"] + used["height"], place


def test_every_page_works_without_javascript(chromium: Browser, site: str, owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["analyst"])
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        sign_in(page, site)
        page.get_by_role("link", name="Older →").click()
        expect(page.get_by_role("link", name="← Newer")).to_be_visible()
        page.goto(f"{site}/conversations/{EXAMPLE}/messages/3/")
        expect(page.locator("#message-3")).to_be_focused()
        page.get_by_text("owner", exact=True).first.click()
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(page).to_have_url(f"{site}/conversations/{EXAMPLE}/messages/3/")


def test_hostile_text_runs_and_loads_nothing(page: Page, site: str, colleague: User, omni: StandIn) -> None:
    """The page fixture fails on any request to elsewhere and on anything that the policy had to stop."""
    credential_for(colleague, omni, omni.organization.demo_tokens["lead"])
    sign_in(page, site, "colleague")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    hostile = [row for row in omni.organization.conversations if re.search(r"<script|javascript:", _text_of(row))]
    assert hostile
    for row in hostile:
        page.goto(f"{site}/conversations/{row.id}/")
        assert page.locator(".prose script, .prose img, .prose form, .prose iframe, .prose [style]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_staff_manage_people_under_the_same_policy(page: Page, site: str) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    sign_in(page, site, "root", at="/admin/accounts/user/add/")
    page.get_by_label("Username").fill("newcomer")
    page.get_by_label("Password", exact=True).or_(page.get_by_label("Password:", exact=True)).first.fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was added successfully")).to_be_visible()
    assert User.objects.filter(username="newcomer").exists()


def _text_of(row: object) -> str:
    return " ".join(message.text for message in row.messages)  # type: ignore[attr-defined]


def _pages(omni: StandIn, credential: Credential) -> dict[str, str]:
    by_length = sorted(
        omni.organization.conversations, key=lambda row: sum(len(message.text) for message in row.messages)
    )
    return {
        "sign-in": "/sign-in/",
        "list": "/conversations/",
        "thread": f"/conversations/{EXAMPLE}/",
        "message": f"/conversations/{EXAMPLE}/messages/2/",
        "no such message": f"/conversations/{EXAMPLE}/messages/9/",
        "a table": f"/conversations/{_named(omni, '|').id}/",  # type: ignore[attr-defined]
        "code": f"/conversations/{_named(omni, '```').id}/",  # type: ignore[attr-defined]
        "long": f"/conversations/{by_length[-2].id}/",
        "not shown": "/conversations/00000000-0000-4000-8000-000000000000/",
        "open": "/open",
        "nothing to open": "/open?q=nothing",
        "credentials": "/credentials/",
        "connect": "/credentials/connect/",
        "rename": f"/credentials/{credential.pk}/",
        "token": f"/credentials/{credential.pk}/token/",
        "remove": f"/credentials/{credential.pk}/remove/",
        "not found": "/nowhere/",
    }


def _named(omni: StandIn, sign: str) -> object:
    return max(omni.organization.conversations, key=lambda row: _text_of(row).count(sign))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(chromium: Browser, site: str, omni: StandIn, scheme: str, width: int) -> None:
    lead = person("colleague")
    credential = credential_for(lead, omni, omni.organization.demo_tokens["lead"])
    with chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}) as context:  # type: ignore[arg-type]
        page = context.new_page()
        person("newcomer")
        sign_in(page, site, "newcomer")
        _assert_accessible(page, site, {"without a credential": "/conversations/", "no credential": "/credentials/"})
        context.clear_cookies()
        sign_in(page, site, "colleague")
        _assert_accessible(page, site, _pages(omni, credential))


def _assert_accessible(page: Page, site: str, addresses: dict[str, str]) -> None:
    for name, address in addresses.items():
        page.goto(site + address)
        assert_accessible(page, name)
