"""Admission: who may enter, and as which user, by the word of a company's identity provider or proxy."""

import logging
import re
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.encoding import punycode

from omniviewer.accounts.models import Identity, User
from omniviewer.accounts.provisioning import ProvisionedUser, groups_of

_LONGEST_SUBJECT = 255
_LONGEST_EMAIL = 254
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ROLES = ["is_staff", "is_superuser", "is_auditor"]
_log = logging.getLogger("omniviewer.accounts")
GROUPS_UNKNOWN = "groups-unknown"
_GROUPS_UNKNOWN = (
    "Your company’s sign-in did not say which groups you are in, which happens to people who are in very many. "
    "Ask your administrator to have it send only the groups that matter to Omniviewer."
)


@dataclass(frozen=True)
class Person:
    """A person as the issuer describes them. Only `issuer` and `subject` identify the person."""

    issuer: str
    subject: str
    # Usernames to try, best first: the first that is free is taken.
    usernames: tuple[str, ...] = ()
    email: str = ""
    email_is_verified: bool = False
    first_name: str = ""
    last_name: str = ""
    # None: the issuer did not name any. Compared with the settings character by character.
    groups: frozenset[str] | None = field(default_factory=frozenset)
    # The subject is a name, which people and proxies write with or without capital letters.
    ignores_case: bool = False


class Refused(Exception):
    """Raised when somebody may not enter. `why` is one word for the log; `sentence` is for the person."""

    def __init__(self, why: str, sentence: str) -> None:
        self.why = why
        self.sentence = sentence
        super().__init__(why)


def admit(person: Person) -> User:
    """Return the user for this person: create them at the first sign-in, and update their data at each one.

    Raises `Refused`; then whoever they were here is signed out everywhere, and staff no more: unless nobody knows
    whether they may enter.
    """
    try:
        return _admitted(person)
    except Refused as refused:
        if refused.why != GROUPS_UNKNOWN and (user := known(person)):
            _take_roles(user, frozenset(), role_groups())
            user.save(update_fields=_ROLES)
            user.end_sessions()
        raise


def _admitted(person: Person) -> User:
    if not _is_subject(person.subject):
        raise Refused("no-subject", "Your company’s sign-in did not say who you are.")
    _check_email(person)
    found = known(person)
    # They do not say that the provider's groups are known: where it named none, roles stay as they are.
    pushed = groups_of(found) if found and settings.SCIM_TOKEN_HASHES else frozenset[str]()
    if settings.ALLOWED_GROUPS and not ((person.groups or frozenset()) | pushed) & set(settings.ALLOWED_GROUPS):
        if person.groups is None:
            raise Refused(GROUPS_UNKNOWN, _GROUPS_UNKNOWN)
        raise Refused("group", "Your account is in none of the groups that may use Omniviewer.")
    user = found or _user_of(person)
    if found is None and settings.SCIM_TOKEN_HASHES and ProvisionedUser.objects.standing().exists():
        _log.warning("sign-in made a person whom the directory has not named", extra={"user_id": user.pk})
    if not user.is_active:
        raise Refused("inactive", "Your account here has been deactivated.")
    if person.groups is not None:
        person = replace(person, groups=person.groups | pushed)
    learn(user, person)
    return user


def provision(person: Person) -> User:
    """Return the user for a person whom the company's directory names before they sign in: see `admit`.

    They are recognized as at sign-in, and may enter by the rules of sign-in alone. Raises `Refused`.
    """
    if not _is_subject(person.subject):
        raise Refused("no-subject", "The directory did not say who this is at sign-in.")
    user = _user_of(person)
    learn(user, person)
    return user


def role_groups() -> frozenset[str]:
    """Return the groups that settings give a role to."""
    return frozenset({settings.STAFF_GROUP, settings.AUDITOR_GROUP} - {""})


def named_groups() -> frozenset[str]:
    """Return the groups that settings give a role or the right to enter to."""
    return role_groups() | frozenset(settings.ALLOWED_GROUPS)


def issuer_of_directory() -> str:
    """Return the issuer for whose subjects the directory speaks: that of the only way to sign in."""
    if settings.SAML_ENTITY_ID:
        return f"saml:{settings.SAML_ENTITY_ID}"
    return settings.OIDC_ISSUER or "proxy"


def follow_groups(user: User, changed: frozenset[str]) -> list[str]:
    """Give or take the roles of these groups, as the directory has changed their members; return the roles changed.

    A role whose group no setting names is nobody's to give but staff's; the next sign-in reads the provider's word too.
    """
    before = {name: getattr(user, name) for name in _ROLES}
    _take_roles(user, groups_of(user) if user.is_active else frozenset(), changed)
    user.save(update_fields=_ROLES)
    return [name for name in _ROLES if getattr(user, name) != before[name]]


def known(person: Person) -> User | None:
    """Return the existing user for this person, whether they may enter or not."""
    if not _is_subject(person.subject):
        return None
    of_issuer = Identity.objects.filter(issuer=person.issuer).select_related("user")
    found = list(of_issuer.filter(subject=person.subject))
    if not found and person.ignores_case:
        found = list(of_issuer.filter(subject__iexact=person.subject)[:2])
    return found[0].user if len(found) == 1 else None


def _is_subject(text: str) -> bool:
    """Return whether it may name somebody. Without odd characters it might be another's; no database takes them all."""
    return 0 < len(text) <= _LONGEST_SUBJECT and not _CONTROL.search(text)


def _check_email(person: Person) -> None:
    """Refuse a missing, unverified or foreign e-mail address, if the settings limit sign-in to certain domains."""
    domains = {_domain(domain.lstrip("@")) for domain in settings.ALLOWED_EMAIL_DOMAINS}
    if not domains:
        return
    if not person.email:
        raise Refused("no-email", "Your company’s sign-in did not send your e-mail address, which is needed here.")
    if not person.email_is_verified:
        raise Refused("email-unverified", "Your e-mail address has not been verified by your company’s sign-in.")
    if not _is_email(person.email) or _domain(person.email.rpartition("@")[2]) not in domains:
        raise Refused("domain", "Your e-mail address belongs to a domain that may not use Omniviewer.")


def _user_of(person: Person) -> User:
    if found := known(person):
        return found
    for _ in range(5):
        try:
            with transaction.atomic():
                user = User(username=_free_username(person))
                user.set_unusable_password()
                user.save()
                Identity.objects.create(user=user, issuer=person.issuer, subject=person.subject)
        except IntegrityError:  # at first sight in two windows at once, or the name was taken meanwhile
            if found := known(person):
                return found
        else:
            return user
    raise Refused("busy", "Too many people are signing in for the first time right now. Try again.")


def _free_username(person: Person) -> str:
    """Return a username that is not taken: signing in must never turn into another user's account."""
    wanted = [re.sub(r"[^\w.@+-]", "", name)[:140] for name in (*person.usernames, person.subject, "person")]
    names = [name for name in wanted if name]
    alike = Q(username__istartswith=names[0])
    for name in names[1:]:
        alike |= Q(username__iexact=name)
    taken = {name.lower() for name in User.objects.filter(alike).values_list("username", flat=True)}
    numbered = [f"{names[0]}-{number}" for number in range(2, len(taken) + 3)]
    return next(name for name in (*names, *numbered) if name.lower() not in taken)


def learn(user: User, person: Person) -> None:
    """Store the name, verified address and roles that the issuer reports today."""
    user.first_name, user.last_name = (_CONTROL.sub("", name)[:150] for name in (person.first_name, person.last_name))
    user.email = person.email if person.email_is_verified and _is_email(person.email) else ""
    fields = ["first_name", "last_name", "email"]
    if person.groups is not None:
        _take_roles(user, person.groups, role_groups())
        fields += _ROLES
    user.save(update_fields=fields)


def _take_roles(user: User, groups: frozenset[str], named: frozenset[str]) -> None:
    """Give a person the roles of these groups, and take the others, as far as settings give roles to those `named`.

    An administrator by group is staff and no superuser: nobody makes others administrators under /admin/ who is one
    only as long as the provider says so.
    """
    if settings.STAFF_GROUP in named:
        user.is_staff, user.is_superuser = settings.STAFF_GROUP in groups, False
    if settings.AUDITOR_GROUP in named:
        user.is_auditor = settings.AUDITOR_GROUP in groups


def _domain(text: str) -> str:
    """Return a domain as the name system knows it, however it is written."""
    try:
        return punycode(text.lower())
    except UnicodeError:
        return text.lower()


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= _LONGEST_EMAIL
