"""A credential's connection to Omni: what a token is, and what Omni's answers mean for the credential."""

from django.db import transaction
from django.utils import timezone

from conversations import asking, searching
from conversations.asking import Left
from conversations.models import Access, Conversation, Job
from conversations.omni import NotVisible, OmniError, Token, TokenRejected, Unreadable, replies
from omniviewer.accounts.models import Credential


def identify(instance: str, token: Token) -> replies.Identity:
    """What a token is, before it is saved. Raises `OmniError`.

    Where `whoami` is missing or makes no sense, as on older instances, the list tells whether the token works; its
    scope stays unknown.
    """
    try:
        return asking.ask_with(instance, token, "whoami", lambda omni: omni.whoami())
    except (NotVisible, Unreadable):
        try:
            asking.ask_with(instance, token, "conversations", lambda omni: omni.conversations())
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
    """Take what a failure says of the credential itself: a `401` ends everything that was read with its token."""
    if isinstance(error, TokenRejected):
        credential.rejected_at = timezone.now()
        with transaction.atomic():
            # Not if the token was replaced while Omni was asked with the old one.
            same_token = Credential.objects.filter(pk=credential.pk, ciphertext=credential.ciphertext)
            if same_token.update(rejected_at=credential.rejected_at):
                for other in _others_with_the_token(credential):
                    Credential.objects.filter(pk=other.pk).update(rejected_at=credential.rejected_at)
                    _end_readings(other)
                _end_readings(credential)
    return error


def _others_with_the_token(credential: Credential) -> list[Credential]:
    """As far as Omni showed them anything with it: a replaced token's readings have ended."""
    token = asking.digest_of(credential)
    shown = Access.objects.filter(token=token, confirmed_at__isnull=False).values("credential")
    others = Credential.objects.accepted().filter(pk__in=shown, instance=credential.instance)
    return list(others.exclude(pk=credential.pk))


def is_unchanged(credential: Credential) -> bool:
    """Whether it still is what Omni was asked with. In a transaction, it stays so until the end."""
    same = Credential.objects.select_for_update().filter(pk=credential.pk, ciphertext=credential.ciphertext)
    return same.filter(rejected_at=None).exists()


def what_is_left(credential: Credential) -> Left | None:
    """Of its token's budget; None where its token cannot be decrypted."""
    try:
        return asking.left(asking.digest_of(credential))
    except OmniError:
        return None


def count_only_through(credential: Credential) -> int:
    """How many kept conversations go when this credential is removed."""
    return Conversation.objects.only_through(credential).count()


@transaction.atomic
def remove(credential: Credential) -> None:
    """Remove a credential and what it alone had access to; the owner's next one becomes the default."""
    owner = credential.owner
    gone = Conversation.objects.only_through(credential)
    Job.objects.of(gone).delete()
    searching.forget(gone)
    gone.delete()
    credential.delete()
    following = Credential.objects.of(owner).first()
    if following and not following.is_default:
        following.make_default()


def _end_readings(credential: Credential) -> None:
    credential.accesses.all().end()
    credential.walks.all().delete()
    credential.members.all().delete()
