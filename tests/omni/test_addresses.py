"""Instance addresses as people paste them, and links that claim to lead to Omni."""

import pytest

from omniviewer.omni import BadAddress, is_omni_link, parse_address

OMNI = ["omniapp.co", "playground.exploreomni.dev", "omni.co"]


@pytest.mark.parametrize(
    ("pasted", "instance"),
    [
        ("https://acme.omniapp.co", "acme.omniapp.co"),
        ("acme.omniapp.co", "acme.omniapp.co"),
        ("  https://acme.omniapp.co/  ", "acme.omniapp.co"),
        ("https://acme.omniapp.co/api", "acme.omniapp.co"),
        ("https://acme.omniapp.co/api/", "acme.omniapp.co"),
        ("https://ACME.OmniApp.co/api/v1/ai/conversations?pageSize=5#top", "acme.omniapp.co"),
        ("acme.omniapp.co/dashboards/12ab", "acme.omniapp.co"),
        ("https://acme.omniapp.co:443/", "acme.omniapp.co"),
        ("https://acme.omniapp.co./", "acme.omniapp.co"),
        ("https://acme.playground.exploreomni.dev/api", "acme.playground.exploreomni.dev"),
        ("https://acme.omni.co/chat/660e8400-e29b-41d4-a716-446655440001", "acme.omniapp.co"),
    ],
)
def test_it_takes_any_form_of_address(pasted: str, instance: str) -> None:
    assert parse_address(pasted, allowed=OMNI) == instance


@pytest.mark.parametrize(
    "pasted",
    [
        "",
        "   ",
        "acme",
        "http://acme.omniapp.co",
        "ftp://acme.omniapp.co",
        "https://",
        "https://acme.example.com",
        "https://omniapp.co.example.com",
        "https://evilomniapp.co",
        "https://acme.omniapp.co@example.com/",
        "https://user:password@acme.omniapp.co/",
        "https://acme.omniapp.co:8443/",
        "https://acme.omniapp.co:notaport/",
        "https://аcme.omniapp.co/",  # a Cyrillic a
        "https://ac me.omniapp.co/",
        "https://acme_.omniapp.co/",
        "https://127.0.0.1/",
        "http://127.0.0.1:8400/",
        "https://[::1]/",
        "https://[bad/",
        "http://localhost:8400",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "javascript:alert(1)",
        "a" * 2000,
    ],
)
def test_it_refuses_what_is_no_omni_instance(pasted: str) -> None:
    with pytest.raises(BadAddress) as refused:
        parse_address(pasted, allowed=OMNI)
    assert str(refused.value).endswith((".", "co"))


def test_it_names_the_hosts_that_are_allowed() -> None:
    with pytest.raises(BadAddress, match=r"bi\.example\.com"):
        parse_address("https://acme.omniapp.co", allowed=["bi.example.com"])
    assert parse_address("https://bi.example.com/login", allowed=["bi.example.com"]) == "bi.example.com"


@pytest.mark.parametrize(
    ("pasted", "instance"),
    [
        ("http://127.0.0.1:8400/api", "127.0.0.1:8400"),
        ("http://127.0.0.1:8400", "127.0.0.1:8400"),
        ("http://localhost:8400/", "localhost:8400"),
        ("http://[::1]:8400/", "[::1]:8400"),
    ],
)
def test_the_demo_lets_this_machine_through(pasted: str, instance: str) -> None:
    assert parse_address(pasted, allowed=OMNI, loopback=True) == instance


def test_the_demo_lets_no_other_http_through() -> None:
    with pytest.raises(BadAddress):
        parse_address("http://192.168.1.10:8400/", allowed=OMNI, loopback=True)


@pytest.mark.parametrize(
    ("url", "leads_to_omni"),
    [
        ("https://my-org.omni.co/chat/660e8400", True),
        ("https://acme.omniapp.co/chats/1", True),
        ("https://bi.example.com/chat/1", True),
        ("https://my-org.omni.co:443/chat/1", True),
        ("http://my-org.omni.co/chat/1", False),
        ("https://my-org.omni.co.example.com/chat/1", False),
        ("https://evilomni.co/chat/1", False),
        ("https://user@my-org.omni.co/", False),
        ("https://my-org.omni.co:8080/", False),
        ("https://my-org.omni.co\\@example.com/", False),
        ("https://my-org.omni.co /", False),
        ("javascript:alert('https://my-org.omni.co')", False),
        ("//my-org.omni.co/chat/1", False),
        ("/chat/1", False),
        ("https://[bad", False),
        ("", False),
    ],
)
def test_only_links_to_omni_are_links(url: str, *, leads_to_omni: bool) -> None:
    assert is_omni_link(url, "bi.example.com") is leads_to_omni
