"""An API token's connection to Omni: identifying it, replacing it, and the consequences of Omni's answers."""

from django.db import transaction

from conversations.archive import holds, personal_data
from conversations.models import PeopleWalk, Removal
from conversations.upstream import budget, request
from conversations.upstream.budget import Left
from omniviewer.accounts.models import ApiToken, Credential, User
from omniviewer.omni import NotVisible, OmniError, Token, TokenRejected, Unreadable, replies


def identify(instance: str, token: Token) -> replies.Identity:
    """Return the token's scope and whom it speaks for, before it is saved. Raises `OmniError`.

    Where `whoami` is missing or unreadable, as on older instances, the list shows whether the token works; its scope
    stays unknown.
    """
    try:
        return request.send_with(instance, token, "whoami", lambda omni: omni.whoami())
    except (NotVisible, Unreadable):
        try:
            request.send_with(instance, token, "conversations", lambda omni: omni.conversations())
        except NotVisible:
            raise Unreadable from None
        return replies.Identity(scope="", role="", user_id="", membership_id="")


@transaction.atomic
def connect(owner: User, label: str, instance: str, token: Token, identity: replies.Identity) -> Credential:
    """Store a person's new credential. Raises `IntegrityError` if the label was taken meanwhile."""
    credential = Credential.objects.connect(owner, label, instance, token, identity)
    holds.follow_people(instance, [credential.api_token.owner_ids])
    return credential


def replace_token(credential: Credential, token: Token) -> None:
    """Replace a credential's token, if Omni accepts the new one. Raises `OmniError`, and then changes nothing.

    The new token has no right to what the old one was shown, as it may speak for somebody else. Nothing stored is lost:
    if nobody else holds the old token, workers move its accesses to the new one, without any right.
    """
    identity = identify(credential.instance, token)
    old = credential.api_token
    with transaction.atomic():
        credential.hold(token, identity)
        holds.follow_people(credential.instance, [credential.api_token.owner_ids])
        if old != credential.api_token:
            personal_data.remember_token(credential.owner, old)
        if old != credential.api_token and not old.credentials.exists():
            Removal.objects.begin(old, credential.owner, heir=credential.api_token)


def record(token: ApiToken, error: OmniError) -> OmniError:
    """Record what an error says about the token: a `401` ends all reading with it, for everybody who holds it."""
    if isinstance(error, TokenRejected):
        with transaction.atomic():
            token.reject()
            token.walks.all().delete()
            token.members.all().delete()
            PeopleWalk.objects.filter(api_token=token).delete()
    return error


def is_accepted(token: ApiToken) -> bool:
    """Return whether the token is still held and accepted. In a transaction, it stays so until the end."""
    return ApiToken.objects.select_for_update().accepted().held().filter(pk=token.pk).exists()


def budget_left(token: ApiToken) -> Left:
    """Return what is left of the token's budget."""
    return budget.left(token.digest)


def remove(credential: Credential, heir: ApiToken | None = None) -> None:
    """Remove a credential, so that nobody reads with it from now on. The owner's next credential becomes the default.

    With the last one of its token, workers delete what that token alone had access to, or put it under `heir`.
    """
    owner, token = credential.owner, credential.api_token
    with transaction.atomic():
        # Lock the token: a concurrent connection of the same token waits until it is clear whether anybody holds it.
        ApiToken.objects.select_for_update().filter(pk=token.pk).first()
        credential.delete()
        personal_data.remember_token(owner, token)
        if not token.credentials.exists():
            Removal.objects.begin(token, owner, heir)
        following = Credential.objects.owned_by(owner).first()
        if following:
            following.make_default()
