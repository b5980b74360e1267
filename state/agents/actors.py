"""Actors: every read and write is limited to what belongs to one `Actor`."""

from dataclasses import dataclass

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ..database.database import Database
from ..errors import NotFound
from ..tables.columns import utc_now
from ..tables.names import checked_name
from ..tables.tables import ApiKeyRow, OrganizationRow, UserRow

MOST_KNOWN = 20_000
"""Maximum number of actors that a process caches."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A user of an organization: a person or a service."""

    organization_id: str = "default"
    user_id: str = "default"


IMPORTING = "\x1fimport"
"""Suffix of the id of the user who owns unfinished imports; callers cannot choose it, see `checked_name`."""

KEYS_NEEDED = Actor("voicegraph", "deleted-users")
"""Placeholder owner for the API keys of deleted users."""


def importing(actor: Actor) -> Actor:
    """Return the owner of an unfinished import for `actor`; nobody can act as this user."""
    return Actor(actor.organization_id, f"{actor.user_id}{IMPORTING}")


def is_importing(actor: Actor) -> bool:
    """Return whether this is the owner of an unfinished import."""
    return actor.user_id.endswith(IMPORTING)


def add_actor(session: Session, actor: Actor) -> None:
    """Insert the organization and the user if they are missing.

    Raises `InvalidInput` for ids that are not 1 to 200 characters or contain control characters.
    """
    checked_name("organization id", actor.organization_id)
    checked_name("user id", actor.user_id)
    _add_user(session, actor)


def add_importing(session: Session, actor: Actor) -> None:
    """Insert the owner of unfinished imports for `actor` if it is missing."""
    _add_user(session, importing(actor))


def _add_user(session: Session, actor: Actor) -> None:
    if session.get(UserRow, (actor.organization_id, actor.user_id)) is not None:
        return
    now = utc_now()
    if session.get(OrganizationRow, actor.organization_id) is None:
        _add(session, OrganizationRow(id=actor.organization_id, created_at=now))
    _add(session, UserRow(organization_id=actor.organization_id, id=actor.user_id, created_at=now))


def _keep_keys_needed(session: Session) -> None:
    """Insert a revoked key, so that a server that required keys still does after their users are deleted."""
    add_actor(session, KEYS_NEEDED)
    row = ApiKeyRow(
        id="key-of-a-deleted-user",
        organization_id=KEYS_NEEDED.organization_id,
        user_id=KEYS_NEEDED.user_id,
        name="keys of deleted users",
        digest="",
        created_at=utc_now(),
        revoked_at=utc_now(),
    )
    if session.get(ApiKeyRow, row.id) is None:
        _add(session, row)


def _add(session: Session, row: OrganizationRow | UserRow | ApiKeyRow) -> None:
    """Insert a row unless another process inserted it in the meantime, which PostgreSQL allows."""
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        pass


class Actors:
    """The known organizations and users."""

    def __init__(self, database: Database) -> None:
        """Use `database`."""
        self._database = database
        self._known: dict[Actor, None] = {}
        """Actors that exist in the database, in the order of first use."""

    async def ensure(self, actor: Actor) -> None:
        """Create the organization and the user if they are missing; cached actors cost nothing.

        Raises `InvalidInput` for ids that are not 1 to 200 characters or contain control characters.
        """
        if actor in self._known:
            return
        await self._database.write(lambda session: add_actor(session, actor))
        self._known[actor] = None
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    async def delete(self, actor: Actor) -> None:
        """Delete the user with all agents, blocks and threads, and the organization with its last user.

        Also deletes what an interrupted import left for the user. Raises `NotFound` if there is no such user.
        """
        organization, user = actor.organization_id, actor.user_id
        of_organization = UserRow.organization_id == organization
        mine = delete(UserRow).where(of_organization, UserRow.id == user)
        imported = delete(UserRow).where(of_organization, UserRow.id == importing(actor).user_id)
        others = exists(select(UserRow.id).where(of_organization))
        self._known.pop(actor, None)

        def delete_all(session: Session) -> None:
            # Lock before counting users: another process may be adding one to the organization.
            session.get(OrganizationRow, organization, with_for_update=True)
            keys = select(ApiKeyRow.id).where(
                ApiKeyRow.organization_id == organization, ApiKeyRow.user_id == user
            )
            had_keys = session.execute(keys.limit(1)).first() is not None
            if session.execute(mine.returning(UserRow.id)).first() is None:
                raise NotFound(f"no user '{user}' in organization '{organization}'")
            session.execute(imported)
            session.execute(
                delete(OrganizationRow).where(OrganizationRow.id == organization, ~others),
                execution_options={"synchronize_session": False},
            )
            if had_keys and actor != KEYS_NEEDED:
                _keep_keys_needed(session)

        await self._database.write(delete_all)
