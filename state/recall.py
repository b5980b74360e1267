"""Recall memory: find what was said in any of an agent's conversations."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from .actors import Actor
from .columns import encodable
from .database import Database
from .embedding import Embedding
from .errors import InvalidInput
from .indexing import index_some
from .models import AgentRow
from .neighbours import SEARCHED_ROLES, Said, around, said, searchable
from .ownership import numbers_of
from .ranking import Found
from .search import Order, Page, Wish, find, owned_agent, page_of
from .search_index import TABLES, SearchIndex
from .unbroken import unbroken

_PAUSE = 2
"""How long indexing rests after each step, in times of what the step took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallHit:
    """A message that was found, with the two before and the two after it, the oldest first.

    A higher `score` answers better; it is 0 where nothing was ranked. Scores of two queries do not compare.
    """

    message: Said
    score: float
    before: tuple[Said, ...]
    after: tuple[Said, ...]


class Recall:
    """Search over all messages of users and agents, and the upkeep of the search index."""

    def __init__(self, database: Database, index: SearchIndex, embedding: Embedding) -> None:
        """Search in `index`, which belongs to `database`, with the vectors of `embedding` if it has any."""
        self._database = database
        self._index = index
        self._embedding = embedding
        self._indexing = asyncio.Lock()

    async def search(
        self,
        actor: Actor,
        agent_id: str,
        query: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        role: str | None = None,
        thread_id: str | None = None,
        order: Order = "best",
        limit: int = 10,
        offset: int = 0,
    ) -> Page[RecallHit]:
        """Return what was said about `query` from `start` on and before `end`, in all threads or in one.

        Any text is taken as plain words. Messages are found once `index_due` has run; what was not heard of a
        reply never is. Raises `AgentNotFound`, and `InvalidInput` for a role other than user and assistant,
        an unknown order, a limit outside 1 to 100, a negative offset and times without time zone.
        """
        wish = Wish(query=query, start=start, end=end, order=order, limit=limit, offset=offset)
        wish.check()
        if role is not None and role not in SEARCHED_ROLES:
            raise InvalidInput(f"the role must be 'user' or 'assistant', it is '{role[:40]}'")
        if wish.ranked:
            # Not in the unbroken part: whoever does not want the answer any more must not wait for this.
            wish = replace(wish, meaning=await self._embedding.meaning_of(query))
        return await self._search(actor, agent_id, wish, role, thread_id)

    @unbroken
    async def _search(
        self, actor: Actor, agent_id: str, wish: Wish, role: str | None, thread_id: str | None
    ) -> Page[RecallHit]:
        def search(connection: sqlite3.Connection) -> Page[RecallHit]:
            scope = wish.scope("messages", owned_agent(connection, actor, agent_id))
            if role is not None:
                scope.add("row.role = ?", role)
            if thread_id is not None:
                scope.add("row.thread_id = ?", encodable(thread_id))
            if not wish.ranked:
                scope.add(searchable("row"))
            found = find(connection, wish, scope)
            return page_of(wish, found, _hits(connection, found[: wish.limit]))

        return await self._index.reading(search)

    async def index_due(self, agent_id: str | None = None) -> int:
        """Index the messages and passages of an agent, or of all, that are not yet; return how many it was.

        For the program itself, off the voice path: it works in short steps and can be cancelled between them.
        What a crash leaves is due at the next call. Entries of what was deleted go first.
        """
        total = 0
        async with self._indexing:
            numbers = await self._numbers(agent_id)
            began = time.monotonic()
            while done := await self._index_some(numbers):
                total += done
                # With all of a processor to itself, a backlog would slow the turns down that run meanwhile.
                await asyncio.sleep(_PAUSE * (time.monotonic() - began))
                began = time.monotonic()
        return total

    async def erase_deleted(self) -> int:
        """Remove every trace of deleted messages and passages from the file of the index.

        For the program itself, when somebody must be forgotten: it rewrites the index, which takes a minute
        for a million messages. Returns how many entries without a message or passage are left, which is 0.
        """
        async with self._indexing:
            while await self._index_some((0, -1)):
                pass
            await self._index.rewrite()
        return await self._orphans()

    @unbroken
    async def _index_some(self, numbers: tuple[int, int]) -> int:
        return await index_some(self._database, self._index, numbers)

    @unbroken
    async def _numbers(self, agent_id: str | None) -> tuple[int, int]:
        if agent_id is None:
            return 0, (1 << 63) - 1
        async with self._database.reading() as session:
            number = await session.scalar(select(AgentRow.number).where(AgentRow.id == agent_id))
        # Deleted in the meantime: what it left still goes.
        return (0, -1) if number is None else numbers_of(number)

    async def _orphans(self) -> int:
        def count(connection: sqlite3.Connection) -> int:
            return sum(
                connection.execute(
                    f"SELECT count(*) FROM {entries} WHERE rowid NOT IN (SELECT number FROM {table})"
                ).fetchone()[0]
                for table, index in TABLES.items()
                for entries in (index, f"{index}_vectors")
            )

        return await self._index.reading(count)


def _hits(connection: sqlite3.Connection, found: Found) -> list[RecallHit]:
    messages = said(connection, (number for number, _ in found))
    near = around(connection, messages)
    firsts = _firsts(messages)
    return [
        RecallHit(
            message=messages[number],
            score=score,
            before=tuple(near[number].before),
            after=tuple(near[number].after),
        )
        for number, score in found
        if number in firsts  # Others are deleted or withdrawn, and still in the index.
    ]


def _firsts(messages: Mapping[int, Said]) -> set[int]:
    """Return the numbers without those of copies: what was said in a fork's past is found once."""
    firsts: dict[tuple[str, str], int] = {}
    for number, message in messages.items():
        known = firsts.setdefault((message.id, message.text), number)
        firsts[message.id, message.text] = min(known, number)
    return set(firsts.values())
