"""Under which ids imported things are kept: their own where these are free, else ids made from them."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from .actors import Actor
from .models import AgentRow, BlockRow, Owned, PassageRow, ThreadRow
from .thread_keys import thread_key

_NAMESPACE = UUID("6a0c2f0e-5d0a-4f4e-9d5c-0f6f6d656d6f")
_PORTION = 1_000
"""Ids that are looked up at once, each twice in a statement."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something of the file is or will be; `there` tells that the user has it already."""

    id: str
    there: bool


async def block_places(session: AsyncSession, actor: Actor, ids: Collection[str]) -> dict[str, Place]:
    """Return the places of blocks by their ids in the file."""
    return await _places(session, actor, _owned(BlockRow, BlockRow.id), await _renamed(actor, "block", ids))


async def agent_places(session: AsyncSession, actor: Actor, ids: Collection[str]) -> dict[str, Place]:
    """Return the places of agents by their ids in the file."""
    return await _places(session, actor, _owned(AgentRow, AgentRow.id), await _renamed(actor, "agent", ids))


async def thread_places(session: AsyncSession, actor: Actor, ids: Collection[str]) -> dict[str, Place]:
    """Return the places of threads, by their keys, by their ids in the file."""

    def named() -> tuple[dict[str, str], dict[str, str]]:
        keys = {wanted: thread_key(actor, wanted) for wanted in ids}
        # An earlier version had one name space for all users: what it renamed has this name.
        return keys, {key: thread_key(actor, _earlier(actor, wanted)) for wanted, key in keys.items()}

    keys, renamed = await asyncio.to_thread(named) if len(ids) > _PORTION else named()
    places = await _places(session, actor, _owned(ThreadRow, ThreadRow.id), renamed)
    return {wanted: places[key] for wanted, key in keys.items()}


def _earlier(actor: Actor, wanted: str) -> str:
    return f"{wanted[:180]}-{_hash(actor, wanted)[:12]}"


async def passage_places(session: AsyncSession, actor: Actor, ids: Collection[str]) -> dict[str, Place]:
    """Return the places of passages by their ids in the file."""
    owners = select(PassageRow.id, AgentRow.organization_id, AgentRow.user_id)
    owners = owners.join(AgentRow, AgentRow.id == PassageRow.agent_id)
    return await _places(session, actor, (owners, PassageRow.id), await _renamed(actor, "passage", ids))


def _owned(table: type[Owned], key: Any) -> tuple[Select[Any, Any, Any], Any]:
    return select(key, table.organization_id, table.user_id), key


async def _renamed(actor: Actor, kind: str, ids: Collection[str]) -> dict[str, str]:
    def renamed() -> dict[str, str]:
        return {wanted: f"{kind}-{_hash(actor, wanted)}" for wanted in ids}

    return await asyncio.to_thread(renamed) if len(ids) > _PORTION else renamed()


def _hash(actor: Actor, wanted: str) -> str:
    # Made from what it stands for, so that a second import finds what the first one made.
    return uuid5(_NAMESPACE, "\0".join((actor.organization_id, actor.user_id, wanted))).hex


async def _places(
    session: AsyncSession,
    actor: Actor,
    owners: tuple[Select[Any, Any, Any], Any],
    renamed: Mapping[str, str],
) -> dict[str, Place]:
    query, key = owners
    wanted, mine, taken = list(renamed), set[str](), set[str]()
    for start in range(0, len(wanted), _PORTION):
        some = wanted[start : start + _PORTION]
        both = [*some, *(renamed[each] for each in some)]
        for id_, organization, user in await session.execute(query.where(key.in_(both))):
            (mine if Actor(organization, user) == actor else taken).add(id_)
    places: dict[str, Place] = {}
    for each in wanted:
        # The made one first: the other may have become free since it was made.
        known = next((id_ for id_ in (renamed[each], each) if id_ in mine), None)
        free = renamed[each] if each in taken else each
        places[each] = Place(known or free, there=known is not None)
    return places
