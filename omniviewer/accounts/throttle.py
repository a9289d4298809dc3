"""How often a password may be wrong: counted in the database, over all processes."""

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from omniviewer.accounts.models import FailedSignIn

WINDOW = timedelta(minutes=15)
# For one name from one address; for one name, wherever from; from one address, whatever the name. The second is
# larger than the first: whoever guesses at somebody's password elsewhere does not lock that person out at once.
_OF_BOTH, _OF_NAME, _OF_ADDRESS = 5, 30, 50


def wait(name: str, address: str) -> timedelta | None:
    """How long from now no password is looked at for this name from this address; None: it is."""
    since = timezone.now() - WINDOW
    by_name, by_address = Q(name=_digest(name.lower())), Q(address=_digest(address))
    waits = [
        _until(by_name & by_address, _OF_BOTH, since),
        _until(by_name, _OF_NAME, since),
        _until(by_address, _OF_ADDRESS, since),
    ]
    return max((left for left in waits if left), default=None)


def failed(name: str, address: str) -> None:
    """A password was wrong. What is older than the window is forgotten."""
    FailedSignIn.objects.filter(at__lt=timezone.now() - WINDOW).delete()
    FailedSignIn.objects.create(name=_digest(name.lower()), address=_digest(address))


def succeeded(name: str, address: str) -> None:
    FailedSignIn.objects.filter(name=_digest(name.lower()), address=_digest(address)).delete()


def _until(of: Q, most: int, since: datetime) -> timedelta | None:
    """Until the oldest of the last `most` failures is out of the window."""
    last = list(FailedSignIn.objects.filter(of, at__gte=since).order_by("-at").values_list("at", flat=True)[:most])
    return last[-1] - since if len(last) == most else None


def _digest(text: str) -> str:
    return salted_hmac("omniviewer.accounts.throttle", text, algorithm="sha256").hexdigest()
