"""Choose the ids of imported objects: their own if free, otherwise ids derived from them.

The functions raise `LeftOver` if an interrupted import left rows with such ids.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from ...agents.actors import Actor, importing
from ...agents.thread_keys import thread_key
from ...tables.tables import AgentRow, BlockRow, PassageRow, ThreadRow
from .staged_rows import LeftOver, Staged

_NAMESPACE = UUID("6a0c2f0e-5d0a-4f4e-9d5c-0f6f6d656d6f")
_PORTION = 1_000
"""Number of ids that are looked up at once, each twice in a statement."""


@dataclass(frozen=True, slots=True)
class Place:
    """The stored id of an object of the file; `there` is true if the user has it already."""

    id: str
    there: bool


def block_places(session: Session, actor: Actor, ids: Collection[str]) -> dict[str, Place]:
    """Return the places of blocks by their ids in the file."""
    return _owned_places(session, actor, BlockRow, _renamed(actor, "block", ids))


def agent_places(session: Session, actor: Actor, ids: Collection[str]) -> dict[str, Place]:
    """Return the places of agents by their ids in the file."""
    return _owned_places(session, actor, AgentRow, _renamed(actor, "agent", ids))


def thread_places(session: Session, actor: Actor, ids: Collection[str]) -> dict[str, Place]:
    """Return the places of threads, with keys as ids, by their ids in the file."""
    keys = {wanted: thread_key(actor, wanted) for wanted in ids}
    # An earlier version had one namespace for all users: threads that it renamed have this name.
    renamed = {key: thread_key(actor, _earlier(actor, wanted)) for wanted, key in keys.items()}
    places = _owned_places(session, actor, ThreadRow, renamed)
    return {wanted: places[key] for wanted, key in keys.items()}


def _earlier(actor: Actor, wanted: str) -> str:
    return f"{wanted[:180]}-{_hash(actor, wanted)[:12]}"


def passage_places(session: Session, actor: Actor, ids: Collection[str]) -> dict[str, Place]:
    """Return the places of passages by their ids in the file."""
    owners = select(PassageRow.id, AgentRow.organization_id, AgentRow.user_id)
    owners = owners.join(AgentRow, AgentRow.id == PassageRow.agent_id)
    renamed = _renamed(actor, "passage", ids)
    return _places(actor, renamed, _owners(session, owners, PassageRow.id, renamed))


def _renamed(actor: Actor, kind: str, ids: Collection[str]) -> dict[str, str]:
    return {wanted: f"{kind}-{_hash(actor, wanted)}" for wanted in ids}


def _hash(actor: Actor, wanted: str) -> str:
    # Derived from the original id, so that a second import finds what the first one created.
    return uuid5(_NAMESPACE, "\0".join((actor.organization_id, actor.user_id, wanted))).hex


def _owned_places(
    session: Session, actor: Actor, table: Staged, renamed: Mapping[str, str]
) -> dict[str, Place]:
    query = select(table.id, table.organization_id, table.user_id)
    owners = _owners(session, query, table.id, renamed)
    left_over = [id_ for id_, owner in owners.items() if owner == importing(actor)]
    if left_over:
        raise LeftOver(table, left_over)
    return _places(actor, renamed, owners)


def _owners(
    session: Session, query: Select[Any, Any, Any], key: Any, renamed: Mapping[str, str]
) -> dict[str, Actor]:
    """Return the owners of the ids that are taken."""
    wanted, owners = list(renamed), dict[str, Actor]()
    for start in range(0, len(wanted), _PORTION):
        some = wanted[start : start + _PORTION]
        both = [*some, *(renamed[each] for each in some)]
        for id_, organization, user in session.execute(query.where(key.in_(both))):
            owners[id_] = Actor(organization, user)
    return owners


def _places(actor: Actor, renamed: Mapping[str, str], owners: Mapping[str, Actor]) -> dict[str, Place]:
    places: dict[str, Place] = {}
    for each, other in renamed.items():
        # The derived id first: the original may have become free since it was derived.
        known = next((id_ for id_ in (other, each) if owners.get(id_) == actor), None)
        free = other if each in owners else each
        places[each] = Place(known or free, there=known is not None)
    return places
