"""An API token's connection to Omni: what a token is, and what Omni's answers mean for it."""

from django.db import transaction

from conversations import asking, searching
from conversations.asking import Left
from conversations.models import Access, Conversation, Job, PeopleWalk
from conversations.omni import NotVisible, OmniError, Token, TokenRejected, Unreadable, replies
from omniviewer.accounts.models import ApiToken, Credential


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

    What the old token was shown, the new one has to be shown again: it may speak for somebody else. What is stored is
    not lost: where nobody else holds the old token, its accesses go over to the new one, without any right.
    """
    identity = identify(credential.instance, token)
    old = credential.api_token
    with transaction.atomic():
        credential.hold(token, identity)
        if old != credential.api_token and not old.credentials.exists():
            known = Access.objects.filter(api_token=credential.api_token).values("conversation")
            taken_over = Access.objects.filter(api_token=old).exclude(conversation__in=known)
            taken_over.hand_over(credential.api_token)
            old.delete()


def note(token: ApiToken, error: OmniError) -> OmniError:
    """Take what a failure says of the token itself: a `401` ends all that was read with it, for all who hold it."""
    if isinstance(error, TokenRejected):
        with transaction.atomic():
            token.reject()
            token.walks.all().delete()
            token.members.all().delete()
            PeopleWalk.objects.filter(api_token=token).delete()
    return error


def is_accepted(token: ApiToken) -> bool:
    """Return whether the token is still held and accepted. In a transaction, it stays so until the end."""
    return ApiToken.objects.select_for_update().accepted().filter(pk=token.pk).exists()


def what_is_left(token: ApiToken) -> Left:
    """Return what is left of the token's budget."""
    return asking.left(token.digest)


def count_only_through(credential: Credential) -> int:
    """How many stored conversations go when this credential is removed: none while others hold its token."""
    if credential.api_token.credentials.exclude(pk=credential.pk).exists():
        return 0
    return Conversation.objects.only_through(credential.api_token).count()


def _remove_token(token: ApiToken) -> None:
    gone = Conversation.objects.only_through(token)
    Job.objects.of(gone).delete()
    searching.forget(gone)
    gone.delete()
    token.delete()


def remove_unheld() -> int:
    """Remove the tokens that nobody holds any more, as where a person was deleted; return how many there were."""
    unheld = list(ApiToken.objects.held_by_nobody())
    for token in unheld:
        with transaction.atomic():
            _remove_token(token)
    return len(unheld)


@transaction.atomic
def remove(credential: Credential) -> None:
    """Remove a credential; with the last one of its token, that token and what it alone had access to.

    The owner's next credential becomes the default.
    """
    owner, token = credential.owner, credential.api_token
    credential.delete()
    if not token.credentials.exists():
        _remove_token(token)
    following = Credential.objects.of(owner).first()
    if following:
        following.make_default()
