"""Passages: what an agent keeps for good in its archival memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from .actors import Actor
from .columns import utc_now
from .database import Database
from .errors import InvalidInput, NotFound
from .models import AgentRow, PassageRow
from .names import new_id
from .ownership import agent_number, numbers_of, owned_by
from .unbroken import unbroken


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A text of archival memory; `context` tells where it comes from."""

    id: str
    number: int
    text: str
    context: str | None
    tags: tuple[str, ...]
    created_at: datetime


class Passages:
    """The passages of agents."""

    def __init__(self, database: Database) -> None:
        """Work on `database`."""
        self._database = database

    @unbroken
    async def insert(
        self, actor: Actor, agent_id: str, text: str, *, tags: Sequence[str] = (), context: str | None = None
    ) -> Passage:
        """Store a passage. Raises `AgentNotFound`, and `InvalidInput` for an empty text."""
        if not text.strip():
            raise InvalidInput("the passage is empty")
        async with self._database.writing() as session:
            agent = await agent_number(session, actor, agent_id, lock=True)
            first, last = numbers_of(agent)
            greatest = select(func.max(PassageRow.number)).where(PassageRow.number.between(first, last))
            row = PassageRow(
                number=((await session.execute(greatest)).scalar_one() or first) + 1,
                id=new_id("passage"),
                agent_id=agent_id,
                text=text,
                context=context,
                tags=list(tags),
                created_at=utc_now(),
            )
            session.add(row)
        return _as_passage(row)

    @unbroken
    async def list(
        self, actor: Actor, agent_id: str, *, limit: int | None = None, before: int | None = None
    ) -> tuple[Passage, ...]:
        """Return the last `limit` passages, all if `None`, with a number below `before`, the oldest first."""
        if limit is not None and limit < 1:
            raise InvalidInput(f"the limit must be at least 1, it is {limit}")
        query = select(PassageRow).where(PassageRow.agent_id == agent_id)
        query = query.order_by(PassageRow.number.desc()).limit(limit)
        if before is not None:
            query = query.where(PassageRow.number < before)
        async with self._database.reading() as session:
            await agent_number(session, actor, agent_id)
            rows = (await session.scalars(query)).all()
        return tuple(_as_passage(row) for row in reversed(rows))

    @unbroken
    async def delete(self, actor: Actor, passage_id: str) -> None:
        """Delete the passage, or raise `NotFound`."""
        mine = select(AgentRow.id).where(owned_by(actor, AgentRow))
        query = delete(PassageRow).where(PassageRow.id == passage_id, PassageRow.agent_id.in_(mine))
        async with self._database.writing() as session:
            if (await session.execute(query.returning(PassageRow.id))).first() is None:
                raise NotFound(f"no passage '{passage_id}'")

    @unbroken
    async def count(self, actor: Actor, agent_id: str) -> int:
        """Return the number of the agent's passages, or raise `AgentNotFound`."""
        async with self._database.reading() as session:
            await agent_number(session, actor, agent_id)
            query = select(func.count()).where(PassageRow.agent_id == agent_id)
            return (await session.execute(query)).scalar_one()


def _as_passage(row: PassageRow) -> Passage:
    return Passage(
        id=row.id,
        number=row.number,
        text=row.text,
        context=row.context,
        tags=tuple(row.tags),
        created_at=row.created_at,
    )
