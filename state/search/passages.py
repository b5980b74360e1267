"""Passages: the texts in an agent's archival memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from ..agents.actors import Actor
from ..agents.ownership import agent_number, numbers_of, owned_by
from ..database.database import Database
from ..database.paging import PageRequest, Slice, page_of_rows
from ..errors import InvalidInput, NotFound
from ..tables.columns import utc_now
from ..tables.names import new_id
from ..tables.tables import AgentRow, PassageRow
from .cutting import cut_text
from .embedding import Embedding
from .search import Order, Page, SearchQuery, page_of
from .search_index import SearchIndex

MOST_CHARACTERS = 1_000_000
"""Maximum number of characters of a text for archival memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A text of archival memory; `context` is its source."""

    id: str
    number: int
    text: str
    context: str | None
    tags: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassage:
    """A text of any length for archival memory; `created_at` defaults to now."""

    text: str
    context: str | None = None
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None

    def check(self) -> None:
        """Raise `InvalidInput` for an empty text, one of over a million characters, a time without zone."""
        if not self.text.strip():
            raise InvalidInput("the passage is empty")
        if len(self.text) > MOST_CHARACTERS:
            raise InvalidInput(
                f"a text for archival memory has at most {MOST_CHARACTERS} characters, "
                f"this one has {len(self.text)}"
            )
        if self.created_at is not None and self.created_at.tzinfo is None:
            raise InvalidInput("a passage's `created_at` needs a time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageHit:
    """A passage that was found; a higher `score` is a better match, it is 0 for unranked results."""

    passage: Passage
    score: float


class Passages:
    """The passages of agents."""

    def __init__(self, database: Database, index: SearchIndex, embedding: Embedding) -> None:
        """Use `database`; search in its `index`, with the vectors of `embedding` if it has any."""
        self._database = database
        self._index = index
        self._embedding = embedding

    async def insert(
        self,
        actor: Actor,
        agent_id: str,
        text: str,
        *,
        tags: Sequence[str] = (),
        context: str | None = None,
        created_at: datetime | None = None,
    ) -> tuple[Passage, ...]:
        """Store a text, cut at the ends of sentences into passages of at most 1,000 characters.

        All passages get the same tags, context and time, which defaults to now. Raises `AgentNotFound`, and
        `InvalidInput` for an empty text, one of over a million characters and a time without time zone.
        """
        new = NewPassage(text=text, tags=tuple(tags), context=context, created_at=created_at)
        new.check()
        rows = await self._database.write(
            lambda session: add_passages(session, self._database, actor, agent_id, [new])
        )
        return tuple(_as_passage(row) for row in rows)

    async def search(
        self,
        actor: Actor,
        agent_id: str,
        query: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        tags: Sequence[str] = (),
        order: Order = "best",
        limit: int = 10,
        offset: int = 0,
    ) -> Page[PassageHit]:
        """Return the passages about `query`, from `start` and before `end`, that have all of `tags`.

        The query is plain words; tags and context are searched too. Passages are found after
        `Recall.index_due` has run. Raises the same as `Recall.search`.
        """
        search = SearchQuery(
            query=query,
            start=start,
            end=end,
            order=order,
            limit=limit,
            offset=offset,
            tags=tuple(tags),
        )
        search.check()
        if search.ranked:
            search = replace(search, meaning=await self._embedding.meaning_of(query))
        found = await self._index.passages(actor, agent_id, search)
        numbers = [number for number, _ in found[: search.limit]]
        wanted = select(PassageRow).where(PassageRow.number.in_(numbers))
        rows = await self._database.read(lambda session: session.scalars(wanted).all())
        passages = {row.number: _as_passage(row) for row in rows}
        hits = [
            PassageHit(passage=passages[number], score=score)
            for number, score in found[: search.limit]
            if number in passages  # Not deleted since it was indexed.
        ]
        return page_of(search, found, hits)

    async def list(
        self, actor: Actor, agent_id: str, *, limit: int | None = None, before: int | None = None
    ) -> tuple[Passage, ...]:
        """Return the last `limit` passages (all if `None`) with a number below `before`, oldest first."""
        if limit is not None and limit < 1:
            raise InvalidInput(f"the limit must be at least 1, it is {limit}")
        query = select(PassageRow).where(PassageRow.agent_id == agent_id)
        query = query.order_by(PassageRow.number.desc()).limit(limit)
        if before is not None:
            query = query.where(PassageRow.number < before)

        def read(session: Session) -> Sequence[PassageRow]:
            agent_number(session, actor, agent_id)
            return session.scalars(query).all()

        rows = await self._database.read(read)
        return tuple(_as_passage(row) for row in reversed(rows))

    async def page(self, actor: Actor, agent_id: str, request: PageRequest) -> Slice[Passage]:
        """Return a page of the agent's passages, newest first. Raises `AgentNotFound`, `InvalidInput`."""
        query = select(PassageRow).where(PassageRow.agent_id == agent_id)

        def read(session: Session) -> Slice[Passage]:
            agent_number(session, actor, agent_id)
            return page_of_rows(
                session,
                query,
                request,
                lambda row: _as_passage(row[0]),
                order=[PassageRow.number],
                by=PassageRow.id,
                newest_first=True,
            )

        return await self._database.read(read)

    async def delete(self, actor: Actor, passage_id: str) -> None:
        """Delete the passage. Raises `NotFound`."""
        mine = select(AgentRow.id).where(owned_by(actor, AgentRow))
        query = delete(PassageRow).where(PassageRow.id == passage_id, PassageRow.agent_id.in_(mine))
        query = query.returning(PassageRow.id)
        if await self._database.write(lambda session: session.execute(query).first()) is None:
            raise NotFound(f"no passage '{passage_id}'")

    async def count(self, actor: Actor, agent_id: str) -> int:
        """Return the number of the agent's passages. Raises `AgentNotFound`."""

        def read(session: Session) -> int:
            agent_number(session, actor, agent_id)
            query = select(func.count()).where(PassageRow.agent_id == agent_id)
            return session.execute(query).scalar_one()

        return await self._database.read(read)


def add_passages(
    session: Session, database: Database, actor: Actor, agent_id: str, texts: Sequence[NewPassage]
) -> list[PassageRow]:
    """Store texts, cut into passages, in the transaction of `session`. Raises `AgentNotFound`."""
    agent = agent_number(session, actor, agent_id, lock=True)
    first, last = numbers_of(agent)
    greatest = select(func.max(PassageRow.number)).where(PassageRow.number.between(first, last))
    number = session.execute(greatest).scalar_one() or first
    storable, now = database.storable_text, utc_now()
    pieces = [(new, piece) for new in texts for piece in cut_text(storable(new.text))]
    rows = [
        PassageRow(
            number=number + place,
            id=new_id("passage"),
            agent_id=agent_id,
            text=piece,
            context=None if new.context is None else storable(new.context),
            tags=[storable(tag) for tag in new.tags],
            created_at=new.created_at or now,
        )
        for place, (new, piece) in enumerate(pieces, start=1)
    ]
    session.add_all(rows)
    return rows


def _as_passage(row: PassageRow) -> Passage:
    return Passage(
        id=row.id,
        number=row.number,
        text=row.text,
        context=row.context,
        tags=tuple(row.tags),
        created_at=row.created_at,
    )
