"""A credential's connection to Omni: the client that speaks for it, and what Omni's answers mean for it."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from conversations.models import Conversation
from conversations.omni import (
    BadAddress,
    Client,
    NotVisible,
    OmniError,
    Token,
    TokenRejected,
    Unreadable,
    parse_address,
    replies,
)
from omniviewer.accounts.encryption import Undecryptable
from omniviewer.accounts.models import Credential


def client_for(credential: Credential) -> Client:
    """Raises `OmniError` where the stored token cannot be used."""
    try:
        token = credential.token
    except Undecryptable:
        raise OmniError(
            "The stored token cannot be decrypted with the keys in use. Replace the token, or ask the people who run "
            "this site to restore the earlier key."
        ) from None
    return _client(credential.instance, token)


def _client(instance: str, token: Token) -> Client:
    try:
        # Checked again at use: the setting may have been narrowed since the address was saved.
        parse_address(instance, allowed=settings.OMNI_HOSTS, loopback=settings.DEMO)
    except BadAddress as error:
        raise OmniError(str(error)) from None
    return Client(instance, token, timeout=settings.OMNI_TIMEOUT, max_body=settings.MAX_BODY)


def identify(instance: str, token: Token) -> replies.Identity:
    """What a token is, before it is saved. Raises `OmniError`.

    Older instances have no `whoami`: there the list tells whether the token works, and its scope stays unknown.
    """
    client = _client(instance, token)
    try:
        return client.whoami()
    except NotVisible:
        try:
            client.conversations()
        except NotVisible:
            raise Unreadable from None
        return replies.Identity(scope="", role="", user_id="", membership_id="")


def replace_token(credential: Credential, token: Token) -> None:
    """Take a new token for a credential, if Omni accepts it. Raises `OmniError`, and then nothing has changed.

    What the old token was shown, the new one has to be shown again: it may speak for somebody else.
    """
    identity = identify(credential.instance, token)
    credential.set_token(token, identity)
    with transaction.atomic():
        credential.save()
        _end_readings(credential)


def note(credential: Credential, error: OmniError) -> OmniError:
    """Take what a failure says of the credential itself: a `401` ends everything that was read with it."""
    if isinstance(error, TokenRejected):
        credential.rejected_at = timezone.now()
        # Not if the token was replaced while Omni was asked with the old one.
        same_token = Credential.objects.filter(pk=credential.pk, ciphertext=credential.ciphertext)
        if same_token.update(rejected_at=credential.rejected_at):
            _end_readings(credential)
    return error


def count_only_through(credential: Credential) -> int:
    """How many kept conversations go when this credential is removed."""
    return Conversation.objects.only_through(credential).count()


@transaction.atomic
def remove(credential: Credential) -> None:
    """Remove a credential and what it alone had access to; the owner's next one becomes the default."""
    owner = credential.owner
    Conversation.objects.only_through(credential).delete()
    credential.delete()
    following = Credential.objects.of(owner).first()
    if following and not following.is_default:
        following.make_default()


def _end_readings(credential: Credential) -> None:
    credential.accesses.all().end()
    credential.list_pages.all().delete()
    credential.members.all().delete()
