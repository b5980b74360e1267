"""API keys: find the user and organization of a bearer token.

A key is 256 random bits, so its plain SHA-256 is stored. Such a key cannot be guessed from its hash, and a
slow password hash would delay every request.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..database.database import Database
from ..errors import NotFound
from ..tables.columns import utc_now
from ..tables.names import checked_name, new_id
from ..tables.tables import ApiKeyRow
from .actors import Actor, add_actor
from .ownership import owned_by

PREFIX = "vg-"
"""Prefix of every key, so that secret scanners recognize one."""

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret; `revoked_at` is `None` while it is valid."""

    id: str
    name: str
    owner: Actor
    created_at: datetime
    revoked_at: datetime | None


class KeysStamp(NamedTuple):
    """Changes whenever a key is created, revoked or deleted; `total` includes the revoked ones."""

    total: int
    revoked: int
    newest: datetime | None


class ApiKeys:
    """The API keys of users."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database

    async def create(self, actor: Actor, name: str) -> tuple[ApiKey, str]:
        """Create a key for the actor, who may be new; return it and its secret, which is not stored.

        Raises `InvalidInput` for an invalid name or actor.
        """
        checked_name("name of the key", name)
        secret = PREFIX + secrets.token_urlsafe(32)
        row = ApiKeyRow(
            id=new_id("key"),
            organization_id=actor.organization_id,
            user_id=actor.user_id,
            name=name,
            digest=digest_of(secret),
            created_at=utc_now(),
        )

        def add(session: Session) -> None:
            add_actor(session, actor)
            session.add(row)

        await self._database.write(add)
        return _as_key(row), secret

    async def list(self, actor: Actor) -> tuple[ApiKey, ...]:
        """Return the actor's keys, oldest first, including revoked ones."""
        query = select(ApiKeyRow).where(owned_by(actor, ApiKeyRow))
        query = query.order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        return tuple(map(_as_key, await self._database.read(lambda session: session.scalars(query).all())))

    async def revoke(self, actor: Actor, key_id: str) -> ApiKey:
        """Revoke the key; revoking it again does nothing. Raises `NotFound`."""
        query = select(ApiKeyRow).where(ApiKeyRow.id == key_id, owned_by(actor, ApiKeyRow))

        def revoke(session: Session) -> ApiKeyRow:
            row = session.scalars(query.with_for_update()).one_or_none()
            if row is None:
                raise NotFound(
                    f"no key '{key_id}' of user '{actor.user_id}' in organization '{actor.organization_id}' "
                    "(see all with: voicegraph keys list --all)"
                )
            row.revoked_at = row.revoked_at or utc_now()
            return row

        return _as_key(await self._database.write(revoke))


async def every_key(database: Database) -> tuple[ApiKey, ...]:
    """Return the keys of all users, oldest first, for the operator of the server."""
    query = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
    return tuple(map(_as_key, await database.read(lambda session: session.scalars(query).all())))


async def keys_stamp(database: Database) -> KeysStamp:
    """Return the stamp of all keys, in one short query."""
    query = select(func.count(), func.count(ApiKeyRow.revoked_at), func.max(ApiKeyRow.created_at))
    query = query.select_from(ApiKeyRow)
    total, revoked, newest = await database.read(lambda session: session.execute(query).one())
    return KeysStamp(total, revoked, newest)


async def bearer(database: Database, secret: str) -> Actor | None:
    """Return the owner of a secret, `None` if it is not a valid key."""
    if not secret.startswith(PREFIX) or len(secret) > _LONGEST:
        return None
    digest = digest_of(secret)
    query = select(ApiKeyRow).where(ApiKeyRow.digest == digest, ApiKeyRow.revoked_at.is_(None))
    row = await database.read(lambda session: session.scalars(query).one_or_none())
    # The index compares hashes, whose first bytes nobody can choose, so its timing reveals nothing about the
    # secret. The deciding comparison takes constant time.
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    return Actor(row.organization_id, row.user_id)


def digest_of(secret: str) -> str:
    """Return the stored hash of a secret."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _as_key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        owner=Actor(row.organization_id, row.user_id),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
