"""The search index of an SQLite database."""

import json
import sqlite3
from collections.abc import Collection, Sequence

from ..actors import Actor
from ..likeness import Due
from ..neighbours import RecallHit
from ..ranking import Found
from ..search import Page, Wish
from ..sqlite_database import SqliteDatabase
from ..unbroken import unbroken
from .finding import find_messages, find_passages
from .index_file import TABLES, IndexFile
from .indexing import index_some
from .vectors import count_due, due, keep, made, want, wanted_model

_NOTHING = (0, -1)
_COUNT = """
    WITH said AS (SELECT number FROM messages WHERE thread_id IN (SELECT value FROM json_each(?))),
        kept AS (SELECT number FROM passages WHERE id IN (SELECT value FROM json_each(?)))
    SELECT (SELECT count(*) FROM recall WHERE rowid IN said)
        + (SELECT count(*) FROM recall_vectors WHERE number IN said)
        + (SELECT count(*) FROM archive WHERE rowid IN kept)
        + (SELECT count(*) FROM archive_vectors WHERE number IN kept)
"""


class SqliteIndex:
    """Entries and vectors in the file of the index; see `SearchIndex`."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Stand beside `database`; nothing is opened yet."""
        self._database = database
        self._file = IndexFile(database)

    async def messages(self, actor: Actor, agent_id: str, wish: Wish) -> Page[RecallHit]:
        """Return the messages that answer a wish."""
        return await self._file.reading(lambda reader: find_messages(reader, actor, agent_id, wish))

    async def passages(self, actor: Actor, agent_id: str, wish: Wish) -> Found:
        """Return the passages that answer a wish."""
        return await self._file.reading(lambda reader: find_passages(reader, actor, agent_id, wish))

    @unbroken
    async def index_some(self, numbers: tuple[int, int]) -> int:
        """Take in some of what is due; entries of what was deleted go first, whosever it was."""
        return await index_some(self._database, self._file, numbers)

    async def erase_deleted(self) -> int:
        """Rewrite the file of the index, which takes a minute for a million messages."""
        while await self.index_some(_NOTHING):
            pass
        return await self._file.rewrite() + await self._file.reading(_orphans)

    async def count_of(self, threads: Collection[str], passages: Collection[str]) -> int:
        """Count what there is of threads and passages."""
        given = (json.dumps(list(threads)), json.dumps(list(passages)))
        return await self._file.reading(lambda reader: reader.execute(_COUNT, given).fetchone()[0])

    async def wanted_model(self) -> str | None:
        """Return the name of the model whose vectors are wanted."""
        return await self._file.reading(wanted_model)

    async def want(self, model: str) -> None:
        """Want the vectors of this model."""
        await self._file.writing(lambda _, writer: want(writer, model))

    async def take_due(self, model: str, most: int) -> list[Due]:
        """Return entries without a vector: there is no other process to take any."""
        return await self._file.reading(lambda reader: due(reader, model, most))

    async def give_back(self, due: Sequence[Due]) -> None:
        """Do nothing: nothing was taken from anybody."""

    async def count_due(self) -> int:
        """Return how many entries wait for a vector."""
        return await self._file.reading(count_due)

    async def keep(self, model: str, vectors: Sequence[tuple[Due, bytes | None]]) -> None:
        """Keep vectors."""
        await self._file.writing(lambda _, writer: keep(writer, model, vectors))

    async def made(self, table: str, after: int, most: int) -> list[tuple[Due, bytes]]:
        """Return vectors."""
        return await self._file.reading(lambda reader: made(reader, table, after, most))

    async def close(self) -> None:
        """Close the file of the index."""
        await self._file.close()


def _orphans(connection: sqlite3.Connection) -> int:
    return sum(
        connection.execute(
            f"SELECT count(*) FROM {entries} WHERE rowid NOT IN (SELECT number FROM {table})"
        ).fetchone()[0]
        for table, index in TABLES.items()
        for entries in (index, f"{index}_vectors")
    )
