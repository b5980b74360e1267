"""Recall memory: search the messages of all conversations of an agent."""

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
from ..tables.tables import AgentRow
from .embedding import Embedding
from .neighbours import RecallHit
from .search import Numbers, Order, Page, SearchQuery
from .search_index import SearchIndex

__all__ = ["Recall", "RecallHit"]

_PAUSE = 2
"""Pause of indexing after each step, as a multiple of the step's duration."""


class Recall:
    """Search over the messages of agents, and the upkeep of the search index."""

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
        """Return what was said about `query`, from `start` and before `end`, in all threads or in one.

        The query is plain words. Messages are found after `index_due` has run; the unheard part of a reply is
        never found. Raises `AgentNotFound`, and `InvalidInput` for a role other than user and assistant, an
        unknown order, a limit outside 1 to 100, a negative offset and times without time zone.
        """
        search = SearchQuery(
            query=query,
            start=start,
            end=end,
            order=order,
            limit=limit,
            offset=offset,
            role=role,
            thread_id=None if thread_id is None else thread_key(actor, thread_id),
        )
        search.check()
        if search.ranked:
            search = replace(search, meaning=await self._embedding.meaning_of(query))
        return await self._index.messages(actor, agent_id, search)

    async def index_due(self, agent_id: str | None = None) -> int:
        """Index new messages and passages of an agent, or of all agents; return their number.

        For the background, not for turns: it works in short steps and can be cancelled between them. What a
        crash leaves is done by the next call. Entries of deleted rows are removed first.
        """
        total = 0
        async with self._indexing:
            numbers = await self._numbers(agent_id)
            began = time.monotonic()
            while done := await self._index.index_some(numbers):
                total += done
                # At full speed, a backlog would slow down the turns that run meanwhile.
                await asyncio.sleep(_PAUSE * (time.monotonic() - began))
                began = time.monotonic()
        return total

    async def erase_deleted(self, numbers: Numbers | None = None) -> int:
        """Remove every trace of deleted messages and passages from the index; return how much is left.

        For erasing a person's data, not for turns: on SQLite it rewrites the index, which takes a minute for
        a million messages. The result is 0, unless another program is reading the file for a long time.
        Entries with `numbers` are looked for even if the index has no removal noted for them.
        """
        async with self._indexing:
            return await self._index.erase_deleted(numbers or {})

    async def _numbers(self, agent_id: str | None) -> tuple[int, int]:
        if agent_id is None:
            return 0, (1 << 63) - 1
        query = select(AgentRow.number).where(AgentRow.id == agent_id)
        number = await self._database.read(lambda session: session.scalar(query))
        # Deleted in the meantime: its entries must still be removed.
        return (0, -1) if number is None else numbers_of(number)
