"""Tokens at rest: encrypted under `OMNIVIEWER_ENCRYPTION_KEYS`, the first key for writing, every key for reading."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac

from omniviewer.omni import Token


class Undecryptable(Exception):
    """A stored token that none of the keys in use can decrypt: a key is missing, or the row was altered."""


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(token: Token) -> str:
    return _keys().encrypt(token.reveal().encode()).decode()


def decrypt(ciphertext: str) -> Token:
    """Return the token in clear text. Raises `Undecryptable`."""
    try:
        return Token(_keys().decrypt(ciphertext.encode()).decode())
    except InvalidToken:
        raise Undecryptable("None of the keys in OMNIVIEWER_ENCRYPTION_KEYS decrypts this token.") from None


def rotate(ciphertext: str) -> str:
    """Return the token encrypted under the first key. Raises `Undecryptable`."""
    try:
        return _keys().rotate(ciphertext.encode()).decode()
    except InvalidToken:
        raise Undecryptable("None of the keys in OMNIVIEWER_ENCRYPTION_KEYS decrypts this token.") from None


def digest(token: Token) -> str:
    """Return the keyed digest by which a token is known where it must not stand: the same for all who hold it."""
    return digests(token)[0]


def digests(token: Token) -> list[str]:
    """Return it under the signing key, and under each that was in use before and may stand in the database still."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    made = [salted_hmac("omniviewer.token", token.reveal(), secret=key, algorithm="sha256") for key in keys]
    return [digest.hexdigest() for digest in made]
