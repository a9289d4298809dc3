"""Staff manage people under /admin/: what they may do to whom, and that each change is in the audit log."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Page, expect

from omniviewer.accounts.models import ApiToken, Credential, Identity, User
from omniviewer.audit.models import Event
from tests.conftest import PASSWORD, sign_in, signed_in, text_of

OTHER = "another long password 7"
FORM = {"password1": OTHER, "password2": OTHER, "set-password": "1", "usable_password": "true"}


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss", password=PASSWORD)


@pytest.fixture
def helper(db: None) -> User:
    """Return an administrator by group: staff, but no superuser."""
    return User.objects.create_user("helper", password=PASSWORD, is_staff=True)


@pytest.fixture
def by_sso(owner: User) -> User:
    Identity.objects.create(user=owner, issuer="https://id.example", subject="subject-7")
    return owner


def page_of(user: User, what: str = "change") -> str:
    return f"/admin/accounts/user/{user.pk}/{what}/"


def changed(user: User, **values: Any) -> dict[str, Any]:
    """Return the form of a person's page as a browser sends it."""
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    inline: dict[str, Any] = {}
    for number, identity in enumerate(user.identities.all()):
        inline |= {f"identities-{number}-id": identity.pk, f"identities-{number}-user": user.pk}
    return {
        "username": user.username,
        "email": user.email,
        "is_active": "on",
        **joined,
        **{f"initial-{name}": said for name, said in joined.items()},
        **inline,
        "identities-TOTAL_FORMS": user.identities.count(),
        "identities-INITIAL_FORMS": user.identities.count(),
        **values,
    }


def events() -> list[tuple[str, ...]]:
    return list(Event.objects.order_by("pk").values_list("who", "kind", "whom", "fields"))


def test_it_works(boss: User, owner: User) -> None:
    """The account has no other way in than its password, such as a new colleague's."""
    staff = signed_in(boss)
    assert "../password/" in staff.get(page_of(owner)).content.decode()
    assert staff.post(page_of(owner, "password"), FORM).status_code == 302
    owner.refresh_from_db()
    assert owner.check_password(OTHER)
    assert events() == [("boss", "password-set", "owner", "password")]


@pytest.mark.parametrize("holds", ["identity", "credential", "rejected credential"])
def test_nobody_becomes_somebody_by_setting_their_password(boss: User, owner: User, holds: str) -> None:
    if holds == "identity":
        Identity.objects.create(user=owner, issuer="proxy", subject="owner")
    else:
        rejected_at = "2026-01-01T00:00Z" if holds.startswith("rejected") else None
        token = ApiToken.objects.create(instance="x.omniapp.co", digest="d", rejected_at=rejected_at)
        Credential.objects.create(owner=owner, label="Omni", api_token=token)
    staff = signed_in(boss)
    assert staff.get(page_of(owner, "password")).status_code == 403
    assert staff.post(page_of(owner, "password"), FORM).status_code == 403
    told = staff.get(page_of(owner)).content.decode()
    assert "../password/" not in told
    assert "algorithm" not in told
    staff.post(page_of(owner), changed(owner, password=OTHER, password1=OTHER, email="new@example.com"))
    owner.refresh_from_db()
    assert owner.email == "new@example.com"
    assert owner.check_password(PASSWORD)
    assert events() == [("boss", "person-changed", "owner", "email address")]


def test_oneself_may_whatever_one_holds(boss: User) -> None:
    Identity.objects.create(user=boss, issuer="proxy", subject="boss")
    staff = signed_in(boss)
    assert staff.post(page_of(boss, "password"), FORM).status_code == 302
    assert staff.get("/admin/").status_code == 200, "still signed in"
    form = {"old_password": OTHER, "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert staff.post("/admin/password_change/", form | {"old_password": "wrong"}).status_code == 200
    assert staff.post("/admin/password_change/", form).status_code == 302
    boss.refresh_from_db()
    assert boss.check_password(PASSWORD)
    assert events() == [("boss", "password-set", "boss", "password")] * 2
    assert Client().post("/admin/password_change/", form).status_code == 302
    assert len(events()) == 2


def test_every_change_of_a_person_is_an_event(boss: User, by_sso: User, colleague: User, stranger: User) -> None:
    staff = signed_in(boss)
    new = {"username": "new", "usable_password": "true", "password1": OTHER, "password2": OTHER}
    new |= {"identities-TOTAL_FORMS": "0", "identities-INITIAL_FORMS": "0"}
    staff.post("/admin/accounts/user/add/", new)
    staff.post(page_of(by_sso), changed(by_sso, is_staff="on", **{"identities-0-DELETE": "on"}))
    staff.post("/admin/accounts/user/", {"action": "sign_out_everywhere", "_selected_action": by_sso.pk})
    deactivated = changed(colleague)
    del deactivated["is_active"]
    staff.post(page_of(colleague), deactivated)
    assert staff.post(page_of(colleague, "delete"), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": stranger.pk, "post": "yes"}
    staff.post("/admin/accounts/user/", chosen)
    # Deletion would leave behind what only their tokens could read: `manage.py offboard` ends both.
    assert set(User.objects.values_list("username", flat=True)) == {"boss", "new", "owner", "colleague", "stranger"}
    assert "delete_selected" not in staff.get("/admin/accounts/user/").content.decode()
    assert events() == [
        ("boss", "person-added", "new", ""),
        ("boss", "person-changed", "owner", "staff status, identity deleted"),
        ("boss", "sessions-ended", "owner", ""),
        ("boss", "person-changed", "colleague", "active"),
    ]
    log = staff.get("/activity/all/").content.decode()
    assert "Changed a person" in log
    assert "owner: staff status, identity deleted" in log
    rows = [row.replace('"', "") for row in staff.get("/activity/all/csv/").getvalue().decode().splitlines()]
    assert any("boss,person-changed,ok,,,,,,,,owner" in row for row in rows)


def test_staff_who_are_no_superusers_make_nobody_one(helper: User, boss: User, owner: User) -> None:
    staff = signed_in(helper)
    for user in (helper, owner):
        staff.post(
            page_of(user), changed(user, email="new@example.com", is_superuser="on", is_staff="on", is_auditor="on")
        )
        user.refresh_from_db()
        assert (user.email, user.is_superuser, user.is_auditor) == ("new@example.com", False, False)
        assert user.is_staff == (user == helper)
    assert staff.get(page_of(boss, "password")).status_code == 403
    staff.post(page_of(boss), changed(boss, email="taken@example.com"))
    staff.post(page_of(boss, "delete"), {"post": "yes"})
    for action in ("delete_selected", "sign_out_everywhere"):
        staff.post("/admin/accounts/user/", {"action": action, "_selected_action": boss.pk, "post": "yes"})
    key = boss.sessions_key
    boss.refresh_from_db()
    assert (boss.email, boss.sessions_key) == ("", key)


# Its look ---------------------------------------------------------------------------------------------------


def test_the_administration_is_this_sites(boss: User) -> None:
    answer = signed_in(boss).get("/admin/")
    page = text_of(answer)
    assert "<title>Administration · Omniviewer administration</title>" in page
    assert '<a href="/conversations/">Back to Omniviewer</a>' in page
    assert not re.search(r"Django|https?://(?!www\.w3\.org/2000/svg)|<style|<script>| style=", page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_administration_has_the_readers_theme(page: Page, site: str, boss: User, owner: User, theme: str) -> None:
    """Its colours are those of every page; a console error, say of the content security policy, fails the test."""
    sign_in(page, site, "boss")
    page.context.add_cookies([{"name": "theme", "value": theme, "url": site}])
    page.goto(f"{site}/conversations/")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for address in ("", "accounts/user/", f"accounts/user/{owner.pk}/change/", "audit/event/", "password_change/"):
        page.goto(f"{site}/admin/{address}")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper, address
        expect(page.get_by_role("link", name="Omniviewer administration")).to_be_visible()
        contrast = Axe().run(page, options={"runOnly": ["color-contrast"]})
        assert not contrast.response["violations"], contrast.generate_report()
    page.get_by_role("link", name="Back to Omniviewer").click()
    expect(page).to_have_url(f"{site}/conversations/")
