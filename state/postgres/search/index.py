"""The search index of a PostgreSQL database."""

from collections.abc import Collection, Sequence

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from ...agents.actors import Actor
from ...database.database import Database
from ...search.neighbours import RecallHit
from ...search.ranking import Found
from ...search.search import Numbers, Page, SearchQuery
from ...search.similarity import Due
from .finding import find_messages, find_passages
from .indexing import index_some
from .scope import TABLES
from .vectors import count_due, give_back, keep, made, take_due, want, wanted_model

_NUMBERS = {
    "messages": text("SELECT number FROM messages WHERE thread_id = ANY(CAST(:ids AS text[]))"),
    "passages": text("SELECT number FROM passages WHERE id = ANY(CAST(:ids AS text[]))"),
}
_ENTRIES = (
    "(SELECT count(*) FROM {name}_{kind} AS entry WHERE entry.number = ANY(CAST(:{table} AS bigint[])){and_})"
)
_DELETED = " AND NOT EXISTS (SELECT 1 FROM {table} AS row WHERE row.number = entry.number)"


def _counting(and_: str) -> TextClause:
    counts = (
        _ENTRIES.format(name=name, kind=kind, table=table, and_=and_.format(table=table))
        for table, name in TABLES.items()
        for kind in ("entries", "vectors")
    )
    return text("SELECT " + " + ".join(counts))


_COUNT, _ORPHANS = _counting(""), _counting(_DELETED)


class PostgresIndex:
    """Entries and vectors in tables of the database, see `SearchIndex`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def messages(self, actor: Actor, agent_id: str, search: SearchQuery) -> Page[RecallHit]:
        """Return the messages that match a query."""
        return await self._database.read(
            lambda session: find_messages(session.connection(), actor, agent_id, search)
        )

    async def passages(self, actor: Actor, agent_id: str, search: SearchQuery) -> Found:
        """Return the passages that match a query."""
        return await self._database.read(
            lambda session: find_passages(session.connection(), actor, agent_id, search)
        )

    async def index_some(self, numbers: tuple[int, int]) -> int:
        """Index some of the due rows that no other process is indexing."""
        return await index_some(self._database, numbers)

    async def erase_deleted(self, numbers: Numbers) -> int:
        """Count what is left of deleted rows: their entries were deleted in the same transaction."""
        return await self._count(_ORPHANS, numbers)

    async def numbers_of(self, threads: Collection[str], passages: Collection[str]) -> Numbers:
        """Return the numbers of messages and passages."""
        given = {"messages": list(threads), "passages": list(passages)}

        def read(session: Session) -> Numbers:
            connection = session.connection()
            return {
                table: list(connection.execute(query, {"ids": given[table]}).scalars())
                for table, query in _NUMBERS.items()
            }

        return await self._database.read(read)

    async def count_entries(self, numbers: Numbers) -> int:
        """Return the number of entries and vectors with these numbers."""
        return await self._count(_COUNT, numbers)

    async def _count(self, query: TextClause, numbers: Numbers) -> int:
        given = {table: list(numbers.get(table, ())) for table in TABLES}
        return await self._database.read(
            lambda session: session.connection().execute(query, given).scalar_one()
        )

    async def wanted_model(self) -> str | None:
        """Return the model whose vectors the index wants."""
        return await self._database.read(lambda session: wanted_model(session.connection()))

    async def want(self, model: str) -> None:
        """Make the index want this model's vectors."""
        await self._database.write(lambda session: want(session.connection(), model))

    async def take_due(self, model: str, most: int) -> list[Due]:
        """Reserve entries without a vector, for two minutes."""
        return await self._database.write(lambda session: take_due(session.connection(), model, most))

    async def give_back(self, due: Sequence[Due]) -> None:
        """Release reserved entries."""
        await self._database.write(lambda session: give_back(session.connection(), due))

    async def count_due(self) -> int:
        """Return the number of entries that wait for a vector."""
        return await self._database.read(lambda session: count_due(session.connection()))

    async def keep(self, model: str, vectors: Sequence[tuple[Due, bytes | None]]) -> None:
        """Store vectors."""
        await self._database.write(lambda session: keep(session.connection(), model, vectors))

    async def made(self, table: str, after: int, most: int) -> list[tuple[Due, bytes]]:
        """Return vectors."""
        return await self._database.read(lambda session: made(session.connection(), table, after, most))

    async def close(self) -> None:
        """Do nothing: everything is in the database."""
