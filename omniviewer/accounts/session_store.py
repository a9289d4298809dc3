"""Sessions as Django keeps them in the database, but by a digest of their key alone.

Who reads the database, or a copy of it, gets no cookie that works. And a database that is away is no deleted session.
"""

import hashlib
import logging
from base64 import urlsafe_b64encode
from typing import Any

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.core import signing
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from omniviewer.operations import database_errors

_log = logging.getLogger("omniviewer.accounts")

# Length of the column: 40 characters are 240 bits. A key has 165 random bits, so it needs no salt.
_DIGEST_CHARS = 40


def digest(session_key: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(session_key.encode()).digest()).decode()[:_DIGEST_CHARS]


class SessionStore(db.SessionStore):
    def _get_session_from_db(self) -> Any:
        kept = self.model.objects.filter(session_key=self._digest(), expire_date__gt=timezone.now()).first()
        if kept is None:
            self._session_key = None
        return kept

    def exists(self, session_key: str) -> bool:
        return super().exists(digest(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row = super().create_model_instance(data)
        row.session_key = digest(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            super().delete(digest(key))

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002  (Django's signature)
        """Save; raise the database's own error if it is down. Django would call the session deleted, and answer 400.

        While nothing can be stored, a session stays as it is stored: people go on reading.
        """
        try:
            super().save(must_create=must_create)
        except UpdateError as error:
            cause = error.__context__
            trouble = database_errors.trouble(cause)
            if trouble and trouble.hinders_writing_only:
                database_errors.log(trouble, cause)
                return
            if isinstance(cause, OperationalError | InterfaceError):
                raise cause from None
            raise

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Return the session's data; nothing, and a line that says why, where another site's key signed it."""
        try:
            return signing.loads(str(session_data), salt=self.key_salt, serializer=self.serializer)  # type: ignore[no-any-return]
        except signing.BadSignature:
            _log.error("a session was signed by another OMNIVIEWER_SECRET_KEY: its reader has to sign in again")
        except Exception:  # noqa: BLE001  (a session that cannot be read is none, as Django has it)
            _log.warning("a session cannot be read: its reader has to sign in again")
        return {}

    # An ASGI server runs this site's middleware in threads, but calls these asynchronous methods too.

    async def _aget_session_from_db(self) -> Any:
        kept = await self.model.objects.filter(session_key=self._digest(), expire_date__gt=timezone.now()).afirst()
        if kept is None:
            self._session_key = None
        return kept

    async def aexists(self, session_key: str) -> bool:
        return bool(await super().aexists(digest(session_key)))

    async def acreate_model_instance(self, data: dict[str, Any]) -> Any:
        row = await super().acreate_model_instance(data)
        row.session_key = digest(row.session_key)
        return row

    async def adelete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            await super().adelete(digest(key))

    def _digest(self) -> str:
        return digest(self.session_key or "")
