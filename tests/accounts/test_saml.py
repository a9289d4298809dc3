"""Signing in with a SAML identity provider, whose signed responses the deployed site gets over HTTP.

The identity provider is made here: it signs with xmlsec, as real ones do, and can say whatever a test wants.
"""

import base64
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.sessions.models import Session
from django.core.signing import TimestampSigner
from django.utils import timezone
from django.utils.http import urlencode
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.utils import OneLogin_Saml2_Utils as Saml
from pytest_django import DjangoDbBlocker

from omniviewer.accounts.models import Identity, User
from omniviewer.audit.models import Event, Kind
from tests.accounts.test_oidc import MESSAGE, Visitor, path
from tests.accounts.test_sign_in import stored, walk_anonymously
from tests.programs import free_port
from tests.serving import Site, database_environment, serve

pytestmark = pytest.mark.django_db(transaction=True)
ENTITY = "https://id.example.com/saml"
SSO = "https://id.example.com/saml/sso"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"


@dataclass(frozen=True)
class Keys:
    private: str
    certificate: str


def new_keys() -> Keys:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "id.example.com")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Keys(private.decode(), certificate.public_bytes(pem).decode())


KEYS = new_keys()


ENVIRONMENT = {
    "OMNIVIEWER_SAML_ENTITY_ID": ENTITY,
    "OMNIVIEWER_SAML_SSO_URL": SSO,
    "OMNIVIEWER_SAML_CERTIFICATE": KEYS.certificate.replace("\n", "\\n"),
    "OMNIVIEWER_SAML_SIGN_OUT_URL": "https://id.example.com/sign-out",
    "OMNIVIEWER_LOCAL_LOGIN": "false",
    "OMNIVIEWER_ALLOWED_GROUPS": "analysts",
    "OMNIVIEWER_ALLOWED_EMAIL_DOMAINS": "example.com",
}


@dataclass
class Said:
    """The content of a SAML response about a person. By default, everything is in order."""

    subject: str = "persistent-1"
    subject_format: str = PERSISTENT
    attributes: dict[str, list[str]] = field(
        default_factory=lambda: {
            "urn:oid:0.9.2342.19200300.100.1.3": ["sam@example.com"],
            "urn:oid:0.9.2342.19200300.100.1.1": ["sam"],
            "firstName": ["Sam"],
            "lastName": ["Ortega"],
            "groups": ["analysts", "others"],
        }
    )
    issuer: str = ENTITY
    audience: str = ""
    recipient: str = ""
    in_response_to: str = ""
    lasts: timedelta = timedelta(minutes=5)
    keys: Keys | None = KEYS
    signs_whole_message: bool = False
    status: str = "Success"
    after_signing: Callable[[str], str] = str


def _signed(xml: str, keys: Keys) -> str:
    signed = Saml.add_sign(xml, keys.private, keys.certificate, sign_algorithm=Names.RSA_SHA256)
    return signed.decode() if isinstance(signed, bytes) else str(signed)


class IdentityProvider:
    """An identity provider for `site`, the address that people sign in to."""

    def __init__(self, site: str) -> None:
        self.acs = f"{site}/sign-in/saml/company/acs/"
        self.audience = f"{site}/sign-in/saml/company/metadata/"

    def request_id(self, address: str) -> str:
        """Return the id of the SAML request in the address that the browser is sent to."""
        (packed,) = parse_qs(urlsplit(address).query)["SAMLRequest"]
        request = ElementTree.fromstring(zlib.decompress(base64.b64decode(packed), -15))  # noqa: S314
        assert request.get("AssertionConsumerServiceURL") == self.acs
        return str(request.get("ID"))

    def response(self, request_id: str, said: Said) -> str:
        """Return a response for the browser to post to the site."""
        now = datetime.now(UTC)
        issued, until = now.strftime("%Y-%m-%dT%H:%M:%SZ"), (now + said.lasts).strftime("%Y-%m-%dT%H:%M:%SZ")
        recipient, to = said.recipient or self.acs, said.in_response_to or request_id
        answers = f'InResponseTo="{to}"' if to else ""
        attributes = "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for name, values in said.attributes.items()
        )
        assertion = (
            f'<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_assertion" Version="2.0" '
            f'IssueInstant="{issued}"><saml:Issuer>{said.issuer}</saml:Issuer><saml:Subject>'
            f'<saml:NameID Format="{said.subject_format}">{said.subject}</saml:NameID>'
            f'<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<saml:SubjectConfirmationData NotOnOrAfter="{until}" Recipient="{recipient}" {answers}/>'
            f'</saml:SubjectConfirmation></saml:Subject><saml:Conditions NotOnOrAfter="{until}">'
            f"<saml:AudienceRestriction><saml:Audience>{said.audience or self.audience}</saml:Audience>"
            f"</saml:AudienceRestriction></saml:Conditions>"
            f'<saml:AuthnStatement AuthnInstant="{issued}"><saml:AuthnContext><saml:AuthnContextClassRef>'
            f"urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>"
            f"</saml:AuthnStatement>"
            + (f"<saml:AttributeStatement>{attributes}</saml:AttributeStatement>" if attributes else "")
            + "</saml:Assertion>"
        )
        if said.keys:
            assertion = _signed(assertion, said.keys)
        whole = (
            f'<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" '
            f'xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response" Version="2.0" IssueInstant="{issued}" '
            f'Destination="{recipient}" {answers}><saml:Issuer>{said.issuer}</saml:Issuer><samlp:Status>'
            f'<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{said.status}"/></samlp:Status>'
            f"{said.after_signing(assertion)}</samlp:Response>"
        )
        if said.signs_whole_message:
            whole = _signed(whole, KEYS)
        return base64.b64encode(whole.encode()).decode()


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(
    port: int, tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """Run the site as deployed behind the identity provider, for all tests of this module."""
    with django_db_blocker.unblock(), serve(tmp_path_factory.mktemp("saml"), ENVIRONMENT, port=port) as site:
        yield site


@pytest.fixture
def visitor(served: Site, port: int) -> Visitor:
    return Visitor(f"http://localhost:{port}")


@pytest.fixture
def provider(served: Site, port: int) -> IdentityProvider:
    return IdentityProvider(f"http://localhost:{port}")


@pytest.fixture
def log(served: Site) -> Callable[[], str]:
    before = len(served.log)
    return lambda: served.log[before:]


def set_out(visitor: Visitor, at: str = MESSAGE) -> str:
    """Return the identity provider's address to which the site redirects the browser."""
    return str(visitor.go(at, until=lambda address: address.startswith(SSO)).headers["Location"])


def come_back(visitor: Visitor, provider: IdentityProvider, sent: str) -> Any:
    return visitor.go(provider.acs, SAMLResponse=sent)


def sign_in(visitor: Visitor, provider: IdentityProvider, said: Said | None = None) -> Any:
    request_id = provider.request_id(set_out(visitor))
    return come_back(visitor, provider, provider.response(request_id, said or Said()))


def test_it_works(visitor: Visitor, provider: IdentityProvider) -> None:
    page = sign_in(visitor, provider)
    assert path(page) == MESSAGE
    assert "Connect Omni first" in page.text
    user = User.objects.get()
    assert (user.username, user.get_full_name(), user.email) == ("sam", "Sam Ortega", "sam@example.com")
    identity = Identity.objects.get()
    assert (identity.issuer, identity.subject) == (f"saml:{ENTITY}", "persistent-1")
    assert kept() == 0


def test_the_same_subject_is_the_same_person(visitor: Visitor, provider: IdentityProvider) -> None:
    sign_in(visitor, provider)
    married = Said()
    married.attributes |= {"urn:oid:0.9.2342.19200300.100.1.3": ["smith@example.com"], "lastName": ["Smith"]}
    sign_in(Visitor(visitor.site), provider, married)
    assert User.objects.get().email == "smith@example.com"
    sign_in(Visitor(visitor.site), provider, Said(subject="persistent-2"))
    assert User.objects.count() == 2


def test_the_whole_message_may_be_signed_too(visitor: Visitor, provider: IdentityProvider) -> None:
    assert path(sign_in(visitor, provider, Said(signs_whole_message=True))) == MESSAGE


def test_the_metadata_say_what_the_provider_needs(visitor: Visitor, provider: IdentityProvider) -> None:
    told = visitor.go("/sign-in/saml/company/metadata/").text
    assert f'Location="{provider.acs}"' in told
    assert f'entityID="{provider.audience}"' in told
    assert 'WantAssertionsSigned="true"' in told
    assert PERSISTENT in told


def test_by_another_name_of_the_site_they_are_had_at_the_public_one(served: Site, tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "OMNIVIEWER_SAML_ENTITY_ID": ENTITY,
        "OMNIVIEWER_SAML_SSO_URL": SSO,
        "OMNIVIEWER_SAML_CERTIFICATE": KEYS.certificate.replace("\n", "\\n"),
        "OMNIVIEWER_PUBLIC_URL": f"http://localhost:{port}",
    }
    with serve(tmp_path, environment, workers=1, port=port) as site:
        told = Visitor(site.url).go("/sign-in/saml/company/metadata/")
        assert told.url == f"http://localhost:{port}/sign-in/saml/company/metadata/?led-there=1"
        assert site.url not in told.text


BAD: dict[str, Said] = {
    "unsigned": Said(keys=None),
    "signed as a whole alone": Said(keys=None, signs_whole_message=True),
    "another key": Said(keys=new_keys()),
    "changed after signing": Said(after_signing=lambda text: text.replace("persistent-1", "persistent-2")),
    "another issuer": Said(issuer="https://evil.example"),
    "another audience": Said(audience="https://elsewhere.example"),
    "another recipient": Said(recipient="https://elsewhere.example/acs/"),
    "expired": Said(lasts=timedelta(minutes=-10)),
    "two assertions": Said(after_signing=lambda text: text + text),
    "none": Said(after_signing=lambda _: ""),
}


@pytest.mark.parametrize("what", BAD)
def test_a_response_that_cannot_be_trusted_signs_nobody_in(
    visitor: Visitor, provider: IdentityProvider, log: Callable[[], str], what: str
) -> None:
    page = sign_in(visitor, provider, BAD[what])
    assert page.status_code == 403
    assert "could not be verified" in page.text
    assert urlencode({"next": MESSAGE}) in page.text
    assert not User.objects.exists()
    assert "sign-in failed" in log()
    assert "Traceback" not in log()
    assert "persistent-" not in log()


def test_a_refusal_of_the_providers_is_told_as_such(visitor: Visitor, provider: IdentityProvider) -> None:
    page = sign_in(visitor, provider, Said(status="Responder"))
    assert page.status_code == 403
    assert "returned an error" in page.text


def post(visitor: Visitor, provider: IdentityProvider, **form: str) -> str:
    """Post the form as the identity provider's page would, without a cookie, and return the address to go to."""
    answer = requests.post(provider.acs, form, timeout=20, allow_redirects=False)
    assert answer.status_code == 302
    return str(answer.headers["Location"])


def kept() -> int:
    return Session.objects.filter(expire_date__lt=timezone.now() + timedelta(minutes=10)).count()


def test_what_anybody_may_send_is_not_kept(visitor: Visitor, provider: IdentityProvider) -> None:
    """Only the answer to a request of ours is stored: of ordinary length, once, and for five minutes."""
    request_id = provider.request_id(set_out(visitor))
    forged = request_id[:-1] + ("A" if request_id[-1] != "A" else "B")
    for sent in (
        "x",
        provider.response("", Said()),
        provider.response("_guessed", Said()),
        provider.response(forged, Said()),
    ):
        assert post(visitor, provider, SAMLResponse=sent) == "/sign-in/saml/company/acs/finish/"
    good = provider.response(request_id, Said())
    for more in (66_000, 300_000):
        assert post(visitor, provider, SAMLResponse=good, RelayState="y" * more) == "/sign-in/"
    assert kept() == 0
    assert post(visitor, provider, SAMLResponse=good) == "/sign-in/saml/company/acs/finish/"
    [row] = Session.objects.filter(expire_date__lt=timezone.now() + timedelta(minutes=10))
    assert (row.expire_date - timezone.now()).total_seconds() <= 300
    assert len(row.session_data) < 64 * 1024
    post(visitor, provider, SAMLResponse=good)
    assert kept() == 1


def test_who_only_passes_by_stores_nothing(visitor: Visitor) -> None:
    before = stored()
    set_out(visitor)
    walked = walk_anonymously(visitor.site, database_environment() | ENVIRONMENT)
    assert {"/sign-in/saml/", "/sign-in/saml/1/acs/", "/sign-in/saml/1/acs/finish/"} <= set(walked)
    assert stored() == before


def test_two_windows_that_set_out_at_once_both_arrive(visitor: Visitor, provider: IdentityProvider) -> None:
    ids = {at: provider.request_id(set_out(visitor, at)) for at in ("/credentials/", MESSAGE)}
    for at, request_id in ids.items():
        assert path(come_back(visitor, provider, provider.response(request_id, Said()))) == at


def test_two_cold_tabs_both_arrive(visitor: Visitor, provider: IdentityProvider) -> None:
    """Both tabs were opened before the first had its cookie."""
    other = Visitor(visitor.site)
    here, there = provider.request_id(set_out(visitor)), provider.request_id(set_out(other, "/credentials/"))
    visitor.browser.cookies.update(other.browser.cookies)
    assert path(come_back(visitor, provider, provider.response(there, Said()))) == "/credentials/"
    assert path(come_back(visitor, provider, provider.response(here, Said()))) == MESSAGE


def test_a_long_address_is_not_lost_on_the_way(visitor: Visitor, provider: IdentityProvider) -> None:
    target = f"/conversations/?search={secrets.token_hex(950)}"
    request_id = provider.request_id(set_out(visitor, f"/sign-in/saml/?{urlencode({'next': target})}"))
    sent = provider.response(request_id, Said())
    answer = visitor.go(provider.acs, until=lambda address: "/conversations/" in address, SAMLResponse=sent)
    assert answer.headers["Location"] == target


def test_one_client_has_so_many_kept_and_no_more(visitor: Visitor, provider: IdentityProvider, served: Site) -> None:
    signer = TimestampSigner(sep=".", salt="omniviewer.accounts.sign_in.saml.requests")
    for number in range(205):
        response = f'<Response ID="a" InResponseTo="{signer.sign(f"_{number}")}">'
        post(visitor, provider, SAMLResponse=base64.b64encode(response.encode()).decode())
    assert kept() == 200


def test_who_was_signed_out_there_is_not_signed_in_again(visitor: Visitor, provider: IdentityProvider) -> None:
    assert path(visitor.go("/sign-in/saml/company/sls/?SAMLResponse=x")) == "/signed-out/"


@pytest.mark.parametrize("sent", ["", "no base64!", base64.b64encode(b"<no xml").decode(), "A" * 300_000])
def test_nonsense_is_no_fault(visitor: Visitor, provider: IdentityProvider, log: Callable[[], str], sent: str) -> None:
    set_out(visitor)
    answer = visitor.browser.post(provider.acs, data={"SAMLResponse": sent}, timeout=20, allow_redirects=False)
    assert answer.status_code == 302
    if not 0 < len(sent) < 250_000:
        assert answer.headers["Location"] == "/sign-in/"
    else:
        page = visitor.go(answer.headers["Location"])
        assert page.status_code == 403
        assert urlencode({"next": MESSAGE}) in page.text
    assert "Traceback" not in log()


@pytest.mark.parametrize("what", ["another browser", "used twice", "never asked for", "asked for by nobody"])
def test_a_response_is_of_this_browser_and_good_for_once(
    visitor: Visitor, provider: IdentityProvider, what: str
) -> None:
    sent = provider.response(provider.request_id(set_out(visitor)), Said())
    if what == "another browser":
        visitor = Visitor(visitor.site)
        set_out(visitor)
    elif what == "used twice":
        outsider = Said(attributes={"email": ["sam@example.com"], "groups": ["sales"]})
        sent = provider.response(provider.request_id(set_out(visitor)), outsider)
        assert "none of the groups" in come_back(visitor, provider, sent).text
    else:
        sent = provider.response("_never-asked" if what == "never asked for" else "", Said())
    page = come_back(visitor, provider, sent)
    assert page.status_code == 403
    assert "Start again" in page.text
    assert urlencode({"next": MESSAGE}) in page.text


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (Said(subject_format=TRANSIENT), "did not say who you are"),
        (Said(subject="sam@example.com", subject_format=Names.NAMEID_EMAIL_ADDRESS), "did not say who you are"),
        (Said(attributes={"email": ["sam@example.com"], "groups": ["sales"]}), "none of the groups"),
        (Said(attributes={"email": ["sam@evil.example"], "groups": ["analysts"]}), "belongs to a domain that may not"),
        (Said(attributes={}), "did not send your e-mail address"),
    ],
)
def test_who_may_not_enter_is_told_why(visitor: Visitor, provider: IdentityProvider, said: Said, sentence: str) -> None:
    page = sign_in(visitor, provider, said)
    assert page.status_code == 403
    assert sentence in page.text
    assert not User.objects.exists()


def test_the_audit_log_tells_who_came_in_and_who_did_not(visitor: Visitor, provider: IdentityProvider) -> None:
    sign_in(visitor, provider)
    somewhere_else = {"email": ["sam@example.com"], "groups": ["sales"]}
    sign_in(Visitor(visitor.site), provider, Said(attributes=somewhere_else))
    sign_in(Visitor(visitor.site), provider, Said(subject="persistent-2", attributes=somewhere_else))
    sign_in(Visitor(visitor.site), provider, BAD["another key"])
    assert list(Event.objects.exclude(kind=Kind.OPENED).order_by("pk").values_list("who", "kind", "result", "by")) == [
        ("sam", "signed-in", "ok", "saml"),
        ("sam", "refused", "group", "saml"),
        ("", "refused", "group", "saml"),
        ("", "refused", "invalid", "saml"),
    ]


def test_signing_out_leads_to_the_provider(visitor: Visitor, provider: IdentityProvider) -> None:
    home = sign_in(visitor, provider)
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', home.text)
    assert csrf
    page = visitor.go("/sign-out/", csrfmiddlewaretoken=csrf[1])
    assert 'href="https://id.example.com/sign-out"' in page.text
    assert visitor.go(MESSAGE, until=lambda address: address.startswith(SSO)).is_redirect
