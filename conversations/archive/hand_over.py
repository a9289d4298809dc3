"""Hand-over: moving what only one organization key could read to another key, instead of deleting it."""

from django.utils import timezone

from conversations.archive import credentials, threads
from conversations.archive.outcomes import Fetch
from conversations.models import Access, Conversation, HandOver
from conversations.upstream.budget import Urgency
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.omni import NotVisible, OmniError

# Conversations that the new key must be shown before it takes anything over, among so many of the newest: Omni may have
# deleted some.
_PROOFS, _MAX_PROOFS = 3, 10


class NotProven(Exception):
    """The new key is not proven to see what the old one did. The message says why."""


def may_be_offered(credential: Credential) -> bool:
    """Return whether something is to be handed over: nobody else holds this organization key."""
    token = credential.api_token
    return token.sees_organization and not token.credentials.exclude(pk=credential.pk).exists()


def offer(credential: Credential, name: str, to: User | None) -> None:
    """Offer a person what this credential's token could read; an earlier offer of it ends."""
    said = {"name": name, "offered_to": to, "offered_at": timezone.now()}
    HandOver.objects.update_or_create(credential=credential, defaults=said)


def accept(credential: Credential, heir: Credential) -> None:
    """Remove a credential, and have workers put what only its token could read under the token of `heir`.

    That token gains no right: Omni has to show it each conversation itself. Raises `NotProven` where it is no
    organization key of the same instance, or is not shown the newest of these conversations; `OmniError` where Omni
    cannot be asked.
    """
    prove(credential.api_token, heir.api_token)
    credentials.remove(credential, heir=heir.api_token)


def prove(token: ApiToken, heir: ApiToken) -> None:
    """Raise `NotProven` unless Omni shows `heir` what it showed `token`; `OmniError` where Omni cannot be asked."""
    if heir.instance != token.instance or heir == token:
        raise NotProven("This must be a different key for the same Omni instance.")
    if credentials.identify(heir.instance, heir.token).scope != ApiToken.Scope.ORGANIZATION:
        raise NotProven("Omni does not recognize this as an organization key.")
    shown = Access.objects.filter(api_token=token, opened_at__isnull=False).select_related("conversation")
    newest = [access.conversation for access in shown.newest_first()[:_MAX_PROOFS]]
    proofs = 0
    for conversation in newest:
        if proofs == _PROOFS:
            break
        if _sees(heir, conversation):
            proofs += 1
        elif token.rejected_at is None and _sees(token, conversation):
            raise NotProven("This key cannot read a conversation that your colleague’s key can read.")
    if newest and not proofs:
        raise NotProven("This key can read none of the conversations that were last read with your colleague’s key.")


def _sees(token: ApiToken, conversation: Conversation) -> bool:
    """Ask Omni. Raises `OmniError` where it cannot be asked."""
    try:
        threads.fetch(token, conversation.omni_id, timezone.now(), Fetch.ALWAYS, Urgency.WAITING)
    except NotVisible:
        return False
    except OmniError as error:
        raise credentials.record(token, error) from None
    return True
