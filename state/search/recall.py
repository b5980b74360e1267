"""Recall memory: find what was said in any of an agent's conversations."""

import asyncio
import time
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from ..agents.actors import Actor
from ..agents.ownership import numbers_of
from ..agents.thread_keys import thread_key
from ..database.database import Database
from ..database.opened_in import OneLoopLock
from ..database.uninterrupted import unbroken
from ..tables.tables import AgentRow
from .embedding import Embedding
from .neighbours import RecallHit
from .search import Numbers, Order, Page, Wish
from .search_index import SearchIndex

__all__ = ["Recall", "RecallHit"]

_PAUSE = 2
"""How long indexing rests after each step, in times of what the step took."""


class Recall:
    """Search over all messages of users and agents, and the upkeep of the search index."""

    def __init__(self, database: Database, index: SearchIndex, embedding: Embedding) -> None:
        """Search in `index`, which belongs to `database`, with the vectors of `embedding` if it has any."""
        self._database = database
        self._index = index
        self._embedding = embedding
        self._indexing = OneLoopLock()

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
        wish = Wish(
            query=query,
            start=start,
            end=end,
            order=order,
            limit=limit,
            offset=offset,
            role=role,
            thread_id=None if thread_id is None else thread_key(actor, thread_id),
        )
        wish.check()
        if wish.ranked:
            # Not in the unbroken part: whoever does not want the answer any more must not wait for this.
            wish = replace(wish, meaning=await self._embedding.meaning_of(query))
        return await self._index.messages(actor, agent_id, wish)

    async def index_due(self, agent_id: str | None = None) -> int:
        """Index the messages and passages of an agent, or of all, that are not yet; return how many it was.

        For the program itself, off the voice path: it works in short steps and can be cancelled between them.
        What a crash leaves is due at the next call. Entries of what was deleted go first.
        """
        total = 0
        async with self._indexing:
            numbers = await self._numbers(agent_id)
            began = time.monotonic()
            while done := await self._index.index_some(numbers):
                total += done
                # With all of a processor to itself, a backlog would slow the turns down that run meanwhile.
                await asyncio.sleep(_PAUSE * (time.monotonic() - began))
                began = time.monotonic()
        return total

    async def erase_deleted(self, numbers: Numbers | None = None) -> int:
        """Remove every trace of deleted messages and passages from the index; return how much is left.

        For the program itself, when somebody must be forgotten: on SQLite it rewrites the index, which takes
        a minute for a million messages. What is left is 0, unless another program reads the file for long.
        Entries with `numbers` are looked for whether or not the index was to remove them.
        """
        async with self._indexing:
            return await self._index.erase_deleted(numbers or {})

    @unbroken
    async def _numbers(self, agent_id: str | None) -> tuple[int, int]:
        if agent_id is None:
            return 0, (1 << 63) - 1
        async with self._database.reading() as session:
            number = await session.scalar(select(AgentRow.number).where(AgentRow.id == agent_id))
        # Deleted in the meantime: what it left still goes.
        return (0, -1) if number is None else numbers_of(number)
