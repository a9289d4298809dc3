"""Access to each address, the address after signing in, and that pages without access reveal nothing."""

import re
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.http import urlencode
from playwright.sync_api import Page, expect
from pytest_django import Settings

from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.demo.stand_in import Fault, StandIn
from tests.accounts.test_sign_in import addresses
from tests.conftest import EXAMPLE, PASSWORD, credential_for, person, sign_in, signed_in, text_of

THREAD = f"/conversations/{EXAMPLE}/"
ELSE = "660e8400-e29b-41d4-a716-4466554400ff"

# Replies to a GET by a stranger, by somebody without a credential, and by somebody whose only credential was rejected:
# "sign in" and come back, "connect" Omni and come back, "replace" the token and come back, or a status.
WALK: dict[str, tuple[str, str, str]] = {
    "/": ("sign in", "to /conversations/", "to /conversations/"),
    "/conversations/": ("sign in", "connect", "replace"),
    THREAD: ("sign in", "connect", "replace"),
    f"{THREAD}messages/1/": ("sign in", "connect", "replace"),
    f"{THREAD}messages/1/evidence/": ("sign in", "connect", "replace"),
    f"{THREAD}messages/1/chart.png": ("sign in", "connect", "replace"),
    f"{THREAD}messages/1/queries/1/": ("sign in", "connect", "replace"),
    f"{THREAD}messages/1/queries/1.csv": ("sign in", "connect", "replace"),
    f"{THREAD}fresh/": ("sign in", f"to {THREAD}", f"to {THREAD}"),
    f"{THREAD}neighbours/": ("sign in", f"to {THREAD}", f"to {THREAD}"),
    f"{THREAD}tickets/": ("sign in", f"to {THREAD}", f"to {THREAD}"),
    f"{THREAD}tickets/remove/": ("sign in", f"to {THREAD}", f"to {THREAD}"),
    "/conversations/fresh/": ("sign in", "to /conversations/", "to /conversations/"),
    "/conversations/complete/": ("sign in", "to /conversations/", "to /conversations/"),
    "/conversations/facets/": ("sign in", "to /conversations/", "to /conversations/"),
    "/conversations/selected/": ("sign in", "to /conversations/", "to /conversations/"),
    "/exports/": ("sign in", "200", "200"),
    "/exports/1/": ("sign in", "404", "404"),
    "/exports/1/remove/": ("sign in", "405", "405"),
    "/exports/1.zip": ("sign in", "404", "404"),
    "/conversations/all-read/": ("sign in", "to /conversations/", "to /conversations/"),
    f"/conversations/{EXAMPLE}.html": ("sign in", "connect", "replace"),
    f"/conversations/{EXAMPLE}.zip": ("sign in", "connect", "replace"),
    f"{THREAD}print/": ("sign in", "connect", "replace"),
    f"{THREAD}messages/1/charts/": (
        "sign in",
        f"to {THREAD}messages/1/evidence/",
        f"to {THREAD}messages/1/evidence/",
    ),
    f"{THREAD}messages/1/queries/1.svg": ("sign in", "connect", "replace"),
    f"{THREAD}messages/1/queries/1-1.svg": ("sign in", "connect", "replace"),
    f"{THREAD}bundle/": ("sign in", "connect", "replace"),
    f"{THREAD}star/": ("sign in", f"to {THREAD}", f"to {THREAD}"),
    f"{THREAD}standings/": ("sign in", f"to {THREAD}", f"to {THREAD}"),
    f"{THREAD}messages/1/evidence/keep/": (
        "sign in",
        f"to {THREAD}messages/1/evidence/",
        f"to {THREAD}messages/1/evidence/",
    ),
    "/insights/": ("sign in", "connect", "replace"),
    "/insights/questions/": ("sign in", "connect", "replace"),
    "/insights/csv/": ("sign in", "connect", "replace"),
    "/stored/": ("sign in", "403", "403"),
    f"{THREAD}for-ticket.json": ("sign in", "connect", "replace"),
    f"{THREAD}messages/1/for-ticket.json": ("sign in", "connect", "replace"),
    f"/conversations/{EXAMPLE}.md": ("sign in", "connect", "replace"),
    f"/conversations/{EXAMPLE}.json": ("sign in", "connect", "replace"),
    f"/conversations/{EXAMPLE}.csv": ("sign in", "connect", "replace"),
    f"/jobs/{EXAMPLE}/": ("sign in", "connect", "replace"),
    "/open": ("sign in", "200", "200"),
    "/open/": ("sign in", "200", "200"),
    f"/chat/{EXAMPLE}": ("sign in", f"to {THREAD}", f"to {THREAD}"),
    f"/chat/{EXAMPLE}/": ("sign in", f"to {THREAD}", f"to {THREAD}"),
    "/credentials/": ("sign in", "200", "200"),
    "/credentials/connect/": ("sign in", "200", "200"),
    "/credentials/1/": ("sign in", "404", "200"),
    "/credentials/1/token/": ("sign in", "404", "200"),
    "/credentials/1/default/": ("sign in", "to /credentials/", "to /credentials/"),
    "/credentials/1/remove/": ("sign in", "404", "200"),
    "/credentials/1/hand-over/": ("sign in", "405", "405"),
    "/credentials/offers/1/": ("sign in", "405", "405"),
    "/credentials/removals/": ("sign in", "200", "200"),
    "/credentials/1/sync/": ("sign in", "404", "to /conversations/"),
    "/activity/": ("sign in", "200", "200"),
    "/activity/all/": ("sign in", "403", "403"),
    "/activity/all/csv/": ("sign in", "403", "403"),
    "/sign-in/": ("200", "to /conversations/", "to /conversations/"),
    "/sign-out/": ("405", "405", "405"),
    "/signed-out/": ("200", "to /conversations/", "to /conversations/"),
    "/appearance/": ("405", "405", "405"),
    "/announcements/1/dismiss/": ("sign in", "405", "405"),
    # Nowhere, unless a directory has a token.
    "/scim/v2/ServiceProviderConfig": ("404", "404", "404"),
    "/scim/v2/ResourceTypes": ("404", "404", "404"),
    "/scim/v2/ResourceTypes/1": ("404", "404", "404"),
    "/scim/v2/Schemas": ("404", "404", "404"),
    "/scim/v2/Schemas/1": ("404", "404", "404"),
    "/scim/v2/Users": ("404", "404", "404"),
    "/scim/v2/Users/1": ("404", "404", "404"),
    "/scim/v2/Groups": ("404", "404", "404"),
    "/scim/v2/Groups/1": ("404", "404", "404"),
    "/scim/v2/1": ("404", "404", "404"),
    "/admin/login/": ("to /sign-in/", "403", "403"),
    "/admin/logout/": ("405", "405", "405"),
    "/admin/password_change/": ("sign in", "to /admin/login/", "to /admin/login/"),
    "/demo/continue/": ("405", "405", "405"),
}


def what(client: Client, address: str) -> str:
    query = "" if address == "/conversations/" else "?ticket=ABC-1"  # there it is a filter
    answer = client.get(f"{address}{query}")
    back = f"next={quote(address + query)}"
    if answer.status_code in (301, 302):
        return "sign in" if answer["Location"] == f"/sign-in/?{back}" else f"to {answer['Location'].split('?')[0]}"
    back = urlencode({"next": f"{address}{query}"})
    page = text_of(answer)
    if answer.status_code == 403 and f'href="/credentials/connect/?{back}"' in page:
        return "connect"
    if answer.status_code == 403 and re.search(rf'href="/credentials/\d+/token/\?{re.escape(back)}"', page):
        return "replace"
    return str(answer.status_code)


def test_every_address_stands_in_the_table(db: None) -> None:
    assert set(WALK) == set(addresses())


@pytest.mark.parametrize("address", WALK)
def test_who_gets_what(owner: User, colleague: User, omni: StandIn, dialect: str, address: str) -> None:
    rejected = credential_for(colleague, omni, omni.organization.demo_tokens["analyst"])
    ApiToken.objects.filter(credentials=rejected).update(rejected_at=timezone.now())
    Credential.objects.filter(pk=rejected.pk).update(id=1)
    found = tuple(what(client, address) for client in (Client(), signed_in(owner), signed_in(colleague)))
    assert found == WALK[address]


# The address after signing in -----------------------------------------------------------------------------

HOSTILE = [
    "https://evil.example/",
    "http://evil.example/",
    "HTTPS://evil.example/",
    "//evil.example",
    "///evil.example",
    "////evil.example/x",
    "/\\evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "/%5Cevil.example/\\x",
    "http:evil.example",
    "https:///evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    " //evil.example",
    "\t//evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/conversations/\r\nSet-Cookie: a=b",
    "/x\x00y",
    "evil.example",
    "evil.example/conversations/",
    "@evil.example",
    "conversations/",
    "?next=/",
    "#top",
    "ftp://evil.example/",
    "http://testserver/conversations/",
    "//testserver/conversations/",
    "http://testserver@evil.example/",
    "/sign-in/?next=/sign-in/",
    "/sign-out/",
    "/admin/logout/",
    "/admin/login/?next=https://evil.example",
    "/" + "a" * 3000,
    "\u2028//evil.example",
    "／／evil.example",
]
OWN = [
    f"{THREAD}messages/3/?ticket=ABC-1",
    "/open?q=https://evil.example/chat/x",
    "/conversations/?member=990e8400-e29b-41d4-a716-446655440004&cursor=a%2Fb%3D",
    "/x?next=//evil.example",
    "/conversations/%F0%9F%98%80/",
]


@pytest.mark.parametrize("target", [*HOSTILE, *OWN], ids=lambda target: repr(target)[:60])
def test_it_leads_to_a_path_of_our_own_or_to_the_list(owner: User, target: str) -> None:
    end = target if target in OWN else "/conversations/"
    fields = {"username": "owner", "password": PASSWORD, "next": target}
    assert Client().post("/sign-in/", fields)["Location"] == end
    assert Client().post(f"/sign-in/?{urlencode({'next': target})}", fields | {"next": ""})["Location"] == end
    assert signed_in(owner).get("/sign-in/", {"next": target})["Location"] == end
    shown = re.findall(r'name="next" value="([^"]*)"', text_of(Client().get("/sign-in/", {"next": target})))
    own = [value.replace("&amp;", "&") for value in shown if not value.startswith("/sign-in/?next=")]
    assert own
    assert set(own) == {target if target in OWN else ""}
    if not target.startswith(("/sign-", "/admin/")):
        theme = Client().post("/appearance/", {"theme": "dark", "next": target})["Location"]
        assert theme == (target if target in OWN else "/")


# Why nothing is shown -------------------------------------------------------------------------------------


def said_of(client: Client, address: str = THREAD, status: int = 404) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return text_of(answer)


def same_of_what_does_not_exist(client: Client, page: str, address: str = THREAD) -> bool:
    """Return whether the page, apart from its id, is the same as for a conversation that does not exist."""
    other = str(uuid4())
    answer = text_of(client.get(address.replace(EXAMPLE, other)))

    def bare(text: str, omni_id: str) -> str:
        return re.sub(r"data-again-in=\S+|\d+ s\b|content=\"\d+\"", "", text).replace(omni_id, "")

    return bare(answer, other) == bare(page, EXAMPLE)


def test_no_credential(owner: User) -> None:
    client = signed_in(owner)
    page = said_of(client, status=403)
    assert "Connect Omni first" in page
    assert f'href="/credentials/connect/?{urlencode({"next": THREAD})}">Connect Omni<' in page
    assert same_of_what_does_not_exist(client, page)


def test_who_runs_the_site_is_led_to_its_own_pages_without_a_credential(owner: User, db: None) -> None:
    links = ('href="/admin/"', 'href="/activity/all/"')
    _, plain = said_of(signed_in(owner), status=403).split("<main", 1)
    assert not [link for link in links if link in plain]
    root = person("root")
    root.is_staff = root.is_superuser = True
    root.save()
    _, staff = said_of(signed_in(root), status=403).split("<main", 1)
    assert [link for link in links if link in staff] == list(links)


def test_a_rejected_credential(owner_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.status(401))
    page = said_of(owner_reads, status=403)
    assert "Omni no longer accepts your token" in page
    pk = Credential.objects.get().pk
    assert f'href="/credentials/{pk}/token/?{urlencode({"next": THREAD})}">Replace the token<' in page
    assert same_of_what_does_not_exist(owner_reads, page)


def test_a_replaced_token_leads_back_and_says_what_it_sees(owner_reads: Client, omni: StandIn) -> None:
    replacement = f"/credentials/{Credential.objects.get().pk}/token/?{urlencode({'next': THREAD})}"
    answer = owner_reads.post(replacement, {"token": omni.organization.demo_tokens["lead"]}, follow=True)
    assert answer.redirect_chain == [(THREAD, 302)]
    said = f"The token of {Credential.objects.get().label} was replaced. The new one sees every conversation in the"
    assert said in text_of(answer)


def test_not_found_with_a_personal_token(stranger_reads: Client) -> None:
    page = said_of(stranger_reads)
    assert "A personal token sees only its owner’s conversations." in page
    assert "Ask the sender, or someone with an organization key." in page
    assert f'href="/credentials/connect/?{urlencode({"next": THREAD})}">Connect an organization key<' in page
    assert f'data-copy-link="http://testserver{THREAD}"' in page
    assert same_of_what_does_not_exist(stranger_reads, page)


def test_not_found_with_an_organization_key(colleague_reads: Client, omni: StandIn) -> None:
    page = said_of(colleague_reads, f"/conversations/{ELSE}/")
    assert "An organization key sees every conversation of its instance, so this one" in page
    assert "was deleted or belongs to another instance" in page
    assert omni.host in page
    assert (
        f'href="/credentials/connect/?{urlencode({"next": f"/conversations/{ELSE}/"})}">Connect another instance<'
        in page
    )
    assert "A personal token" not in page


def test_not_found_with_both(owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["support"], "Mine")
    credential_for(owner, omni, omni.organization.demo_tokens["lead"], "All")
    page = said_of(signed_in(owner), f"/conversations/{ELSE}/")
    assert "Your organization key sees every conversation of its instance" in page


def test_not_found_and_another_credential_was_rejected(owner: User, omni: StandIn) -> None:
    rejected = credential_for(owner, omni, omni.organization.demo_tokens["lead"], "Old")
    ApiToken.objects.filter(credentials=rejected).update(rejected_at=timezone.now())
    credential_for(owner, omni, omni.organization.demo_tokens["support"], "Mine")
    page = said_of(signed_in(owner))
    assert "Old</strong> on" in page
    assert "A personal token sees only its owner’s conversations." in page
    assert "rejected by Omni, not tried" in page
    assert f'href="/credentials/{rejected.pk}/token/?{urlencode({"next": THREAD})}">Replace the token of Old<' in page


def test_another_instance_than_theirs(stranger_reads: Client) -> None:
    answer = stranger_reads.get(f"/open?q=https://other-org.omni.co/chat/{EXAMPLE}", follow=True)
    assert answer.status_code == 404
    page = text_of(answer)
    assert "The link leads to <strong>other-org.omniapp.co</strong>, and you have no token for that instance." in page
    back = urlencode({"next": f"{THREAD}?instance=other-org.omniapp.co"})
    assert f'href="/credentials/connect/?instance=other-org.omniapp.co&amp;{back}"' in page
    connect = text_of(stranger_reads.get(f"/credentials/connect/?instance=other-org.omniapp.co&{back}"))
    assert 'name="instance_address" value="other-org.omniapp.co"' in connect
    assert same_of_what_does_not_exist(stranger_reads, page, f"{THREAD}?instance=other-org.omniapp.co")


def test_an_instance_of_theirs_is_not_another(stranger_reads: Client) -> None:
    assert "The link leads to" in said_of(stranger_reads, f"{THREAD}?instance=other-org.omniapp.co")
    theirs = Credential.objects.get()
    theirs.pk, theirs.label, theirs.order = None, "There", 1
    theirs.api_token.pk, theirs.api_token.instance = None, "other-org.omniapp.co"
    theirs.api_token.rejected_at = timezone.now()
    theirs.api_token.save()
    theirs.api_token = theirs.api_token
    theirs.save()
    assert "The link leads to" not in said_of(stranger_reads, f"{THREAD}?instance=other-org.omniapp.co")


@pytest.mark.parametrize("instance", ["evil.example", "<b>", "https://x@other-org.omniapp.co", "127.0.0.1", "x" * 500])
def test_an_instance_that_is_none_is_not_spoken_of(stranger_reads: Client, instance: str) -> None:
    page = text_of(stranger_reads.get(THREAD, {"instance": instance}))
    assert "The link leads to" not in page


def test_omni_down_and_nothing_kept(owner_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.status(503))
    page = said_of(owner_reads, status=503)
    assert "This page cannot be fetched right now" in page
    assert f'href="{THREAD}">Try again now<' in page
    assert same_of_what_does_not_exist(owner_reads, page)


def test_a_list_that_omni_refuses(owner_reads: Client, omni: StandIn) -> None:
    omni.fail(Fault.status(403))
    page = said_of(owner_reads, "/conversations/")
    assert "Omni does not show this list to your token." in page
    assert "data-copy-link" not in page


# Several credentials --------------------------------------------------------------------------------------


def test_the_page_says_which_credential_it_is_read_with(owner: User, omni: StandIn) -> None:
    credential_for(owner, omni, omni.organization.demo_tokens["support"], "Mine")
    credential_for(owner, omni, omni.organization.demo_tokens["lead"], "Everybody’s")
    assert 'Read with</dt><dd><a href="/credentials/">Everybody’s</a>' in text_of(signed_in(owner).get(THREAD))


def test_with_one_it_goes_without_saying(owner_reads: Client) -> None:
    assert "Read with" not in text_of(owner_reads.get(THREAD))


# Copied links ---------------------------------------------------------------------------------------------


def test_copied_links_have_the_public_address(owner_reads: Client, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://omniviewer.example.com"
    page = text_of(owner_reads.get(f"{THREAD}?ticket=ABC-1"))
    assert f'data-copy-link="https://omniviewer.example.com{THREAD}"' in page
    assert 'id="messages" data-public-url="https://omniviewer.example.com"' in page


@pytest.mark.django_db(transaction=True)
def test_links_are_copied_without_what_was_in_the_address(page: Page, site: str, omni: StandIn, dialect: str) -> None:
    credential_for(person("owner"), omni, omni.organization.demo_tokens["analyst"])
    sign_in(page, site, at=f"{THREAD}messages/3/?ticket=ABC-123")
    page.get_by_role("link", name="Copy link").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{site}{THREAD}"
    page.get_by_role("link", name="Link to message 2").click()
    page.wait_for_function(f"navigator.clipboard.readText().then((text) => text === '{site}{THREAD}messages/2/')")
    page.goto(f"{site}/conversations/{ELSE}/")
    page.get_by_role("link", name="Copy this link").click()
    page.wait_for_function(f"navigator.clipboard.readText().then((text) => text === '{site}/conversations/{ELSE}/')")


# Robots ---------------------------------------------------------------------------------------------------


def test_a_robot_that_previews_links_learns_nothing(owner_reads: Client) -> None:
    owner_reads.get(THREAD)
    answer: Any = Client().get(f"{THREAD}messages/3/", follow=True)
    page = text_of(answer)
    assert "<title>Sign in · Omniviewer</title>" in page
    assert 'name="robots" content="noindex, nofollow"' in page
    assert not re.search(r'property="og:|name="description"|name="twitter', page)
    assert "Sunglasses" not in page
