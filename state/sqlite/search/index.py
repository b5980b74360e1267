"""The search index of an SQLite database."""

import json
import sqlite3
from collections.abc import Collection, Sequence

from ...agents.actors import Actor
from ...search.neighbours import RecallHit
from ...search.ranking import Found
from ...search.search import Numbers, Page, SearchQuery
from ...search.similarity import Due
from ..database import SqliteDatabase
from .finding import find_messages, find_passages
from .index_file import TABLES, IndexFile
from .indexing import index_some
from .vectors import count_due, due, keep, made, want, wanted_model

_NOTHING = (0, -1)
_NUMBERS = {
    "messages": "SELECT number FROM messages WHERE thread_id IN (SELECT value FROM json_each(?))",
    "passages": "SELECT number FROM passages WHERE id IN (SELECT value FROM json_each(?))",
}
# CROSS JOIN: start from the given numbers, however few entries SQLite estimates.
_ENTRIES = "SELECT count(*) FROM json_each(?) AS given CROSS JOIN {entries} ON {entries}.{key} = given.value"
_ORPHANS = f"{_ENTRIES} WHERE NOT EXISTS (SELECT 1 FROM {{table}} WHERE number = given.value)"


class SqliteIndex:
    """Entries and vectors in the file of the index, see `SearchIndex`."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Use `database`; nothing is opened yet."""
        self._database = database
        self._file = IndexFile(database)

    async def messages(self, actor: Actor, agent_id: str, search: SearchQuery) -> Page[RecallHit]:
        """Return the messages that match a query."""
        return await self._file.reading(lambda reader: find_messages(reader, actor, agent_id, search))

    async def passages(self, actor: Actor, agent_id: str, search: SearchQuery) -> Found:
        """Return the passages that match a query."""
        return await self._file.reading(lambda reader: find_passages(reader, actor, agent_id, search))

    async def index_some(self, numbers: tuple[int, int]) -> int:
        """Index some of the due rows; entries of deleted rows are removed first, of any agent."""
        return await index_some(self._database, self._file, numbers)

    async def erase_deleted(self, numbers: Numbers) -> int:
        """Rewrite the file of the index, which takes a minute for a million messages."""
        deleted = await self._file.reading(_deleted)
        while await self.index_some(_NOTHING):
            pass
        log = await self._file.rewrite()
        expected = {table: {*deleted[table], *numbers.get(table, ())} for table in TABLES}
        return log + await self._file.reading(lambda reader: _count(reader, _ORPHANS, expected))

    async def numbers_of(self, threads: Collection[str], passages: Collection[str]) -> Numbers:
        """Return the numbers of messages and passages."""
        given = {"messages": json.dumps(list(threads)), "passages": json.dumps(list(passages))}

        def read(reader: sqlite3.Connection) -> Numbers:
            return {
                table: [number for (number,) in reader.execute(query, (given[table],))]
                for table, query in _NUMBERS.items()
            }

        return await self._file.reading(read)

    async def count_entries(self, numbers: Numbers) -> int:
        """Return the number of entries and vectors with these numbers."""
        return await self._file.reading(lambda reader: _count(reader, _ENTRIES, numbers))

    async def wanted_model(self) -> str | None:
        """Return the model whose vectors the index wants."""
        return await self._file.reading(wanted_model)

    async def want(self, model: str) -> None:
        """Make the index want this model's vectors."""
        await self._file.writing(lambda _, writer: want(writer, model))

    async def take_due(self, model: str, most: int) -> list[Due]:
        """Return entries without a vector, without reserving them: no other process embeds."""
        return await self._file.reading(lambda reader: due(reader, model, most))

    async def give_back(self, due: Sequence[Due]) -> None:
        """Do nothing: entries are not reserved."""

    async def count_due(self) -> int:
        """Return the number of entries that wait for a vector."""
        return await self._file.reading(count_due)

    async def keep(self, model: str, vectors: Sequence[tuple[Due, bytes | None]]) -> None:
        """Store vectors."""
        await self._file.writing(lambda _, writer: keep(writer, model, vectors))

    async def made(self, table: str, after: int, most: int) -> list[tuple[Due, bytes]]:
        """Return vectors."""
        return await self._file.reading(lambda reader: made(reader, table, after, most))

    async def close(self) -> None:
        """Close the file of the index."""
        await self._file.close()


def _deleted(reader: sqlite3.Connection) -> Numbers:
    """Return the numbers of deleted rows whose entries are still to be removed."""
    noted = reader.execute("SELECT kind, number FROM index_removals").fetchall()
    return {table: [number for kind, number in noted if kind == table] for table in TABLES}


def _count(reader: sqlite3.Connection, query: str, numbers: Numbers) -> int:
    return sum(
        reader.execute(
            query.format(entries=entries, key=key, table=table), (json.dumps(list(numbers[table])),)
        ).fetchone()[0]
        for table, index in TABLES.items()
        for entries, key in ((index, "rowid"), (f"{index}_vectors", "number"))
    )
