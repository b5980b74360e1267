"""The search index of a PostgreSQL database."""

from collections.abc import Collection, Sequence

from sqlalchemy import text

from ..actors import Actor
from ..database import Database
from ..likeness import Due
from ..neighbours import RecallHit
from ..ranking import Found
from ..search import Page, Wish
from ..unbroken import unbroken
from .finding import find_messages, find_passages
from .indexing import index_some
from .scope import TABLES
from .vectors import count_due, give_back, keep, made, take_due, want, wanted_model

_OF = """
    SELECT count(*) FROM {name}_{kind} AS entry JOIN {table} AS row ON row.number = entry.number
    WHERE row.{column} = ANY(CAST(:{given} AS text[]))
"""
_COUNT = text(
    "SELECT "
    + " + ".join(
        f"({_OF.format(name=TABLES[table], kind=kind, table=table, column=column, given=given)})"
        for table, column, given in (("messages", "thread_id", "threads"), ("passages", "id", "passages"))
        for kind in ("entries", "vectors")
    )
)
_ORPHANS = text(
    "SELECT "
    + " + ".join(
        f"(SELECT count(*) FROM {name}_{kind} AS entry "
        f"WHERE NOT EXISTS (SELECT 1 FROM {table} AS row WHERE row.number = entry.number))"
        for table, name in TABLES.items()
        for kind in ("entries", "vectors")
    )
)


class PostgresIndex:
    """Entries and vectors in tables of the database; see `SearchIndex`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @unbroken
    async def messages(self, actor: Actor, agent_id: str, wish: Wish) -> Page[RecallHit]:
        """Return the messages that answer a wish."""
        return await self._database.read(lambda connection: find_messages(connection, actor, agent_id, wish))

    @unbroken
    async def passages(self, actor: Actor, agent_id: str, wish: Wish) -> Found:
        """Return the passages that answer a wish."""
        return await self._database.read(lambda connection: find_passages(connection, actor, agent_id, wish))

    @unbroken
    async def index_some(self, numbers: tuple[int, int]) -> int:
        """Take in some of what is due and no other process works on."""
        return await index_some(self._database, numbers)

    @unbroken
    async def erase_deleted(self) -> int:
        """Count entries of what was deleted: they went with it, in the same transaction."""
        return await self._database.read(lambda connection: connection.execute(_ORPHANS).scalar_one())

    @unbroken
    async def count_of(self, threads: Collection[str], passages: Collection[str]) -> int:
        """Count what there is of threads and passages."""
        given = {"threads": list(threads), "passages": list(passages)}
        return await self._database.read(lambda connection: connection.execute(_COUNT, given).scalar_one())

    @unbroken
    async def wanted_model(self) -> str | None:
        """Return the name of the model whose vectors are wanted."""
        return await self._database.read(wanted_model)

    @unbroken
    async def want(self, model: str) -> None:
        """Want the vectors of this model."""
        await self._database.write(lambda connection: want(connection, model))

    @unbroken
    async def take_due(self, model: str, most: int) -> list[Due]:
        """Take entries without a vector, for two minutes."""
        return await self._database.write(lambda connection: take_due(connection, model, most))

    @unbroken
    async def give_back(self, due: Sequence[Due]) -> None:
        """Let anybody take these entries."""
        await self._database.write(lambda connection: give_back(connection, due))

    @unbroken
    async def count_due(self) -> int:
        """Return how many entries wait for a vector."""
        return await self._database.read(count_due)

    @unbroken
    async def keep(self, model: str, vectors: Sequence[tuple[Due, bytes | None]]) -> None:
        """Keep vectors."""
        await self._database.write(lambda connection: keep(connection, model, vectors))

    @unbroken
    async def made(self, table: str, after: int, most: int) -> list[tuple[Due, bytes]]:
        """Return vectors."""
        return await self._database.read(lambda connection: made(connection, table, after, most))

    async def close(self) -> None:
        """Do nothing: all is in the database."""
