"""Copy everything stored in one database to another, in steps that may be interrupted by a crash.

Rows are copied in the order of their keys, some per transaction. Equal rows are left as they are, so an
interrupted copy can be continued, and a complete one can be brought up to date.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Table, TextClause, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ...database.database import Database
from ...database.location import parse_location
from ...errors import InvalidInput
from ...migrations.upgrade import HEAD, revision_of
from ...open import open_database
from .copy_rows import TABLES, Key, canonical, count_rows, keys_after, rows_after, write_rows

_BATCH = 200
_KEYS = 2000

Progress = Callable[[str, int, int], None]
"""Called with a table, the number of rows done, and the total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The contents of a table on both sides."""

    table: str
    rows: int
    copied: int
    same: bool


async def open_source(url: str) -> Database:
    """Open the database to copy from, which is only read.

    Raises `InvalidInput` if there is none or its tables are not at this version.
    """
    path = parse_location(url).path
    if path is not None and not await asyncio.to_thread(path.exists):
        raise InvalidInput(f"there is no database {path}: nothing to copy")
    database = await open_database(url, migrate=False)
    try:
        revision = await database.read(lambda session: revision_of(session.connection()))
    except BaseException:
        await database.close()
        raise
    if revision != HEAD:
        await database.close()
        raise InvalidInput(
            f"the tables of {database.location.shown} are not at this version "
            f"({revision or 'none'} instead of {HEAD}): run voicegraph db upgrade --db on it first"
        )
    return database


async def refuse_other_data(source: Database, target: Database) -> None:
    """Raise `InvalidInput` if `target` contains anything that `source` does not."""
    for table in TABLES:
        after: Key | None = None
        while there := await _keys(target, table, after):
            known = await _known(source, table, after, there)
            if not known.issuperset(there):
                raise _other_data(target, table)
            after = there[-1]


def _other_data(target: Database, table: Table) -> InvalidInput:
    return InvalidInput(
        f"{target.location.shown} contains other data in its table '{table.name}': choose an empty database"
    )


async def copy_tables(source: Database, target: Database, progress: Progress) -> None:
    """Write all rows that are missing or different in `target`."""
    for table in TABLES:
        total = await source.read(lambda session, table=table: count_rows(session.connection(), table))
        done, after = 0, None
        while some := await _copy_some(source, target, table, after):
            number, after = some
            done += number
            progress(table.name, done, total)
    await _settle_numbers(source, target)


async def compare_tables(source: Database, target: Database) -> list[Compared]:
    """Return the number of rows of each table on both sides, and whether their checksums are equal."""
    compared: list[Compared] = []
    for table in TABLES:
        (rows, one), (copied, other) = await _checksum(source, table), await _checksum(target, table)
        compared.append(Compared(table=table.name, rows=rows, copied=copied, same=one == other))
    return compared


async def _copy_some(
    source: Database, target: Database, table: Table, after: Key | None
) -> tuple[int, Key] | None:
    rows = await _rows(source, table, after)
    if not rows:
        return None
    last = next(reversed(rows))

    def write(session: Session) -> None:
        connection = session.connection()
        there = rows_after(connection, table, after, up_to=last)
        wanted = [
            row
            for key, row in rows.items()
            if key not in there or canonical(table, there[key]) != canonical(table, row)
        ]
        if wanted:
            write_rows(connection, table, wanted)

    try:
        await target.write(write)
    except IntegrityError as error:
        raise _other_data(target, table) from error
    return len(rows), last


async def _keys(database: Database, table: Table, after: Key | None) -> list[Key]:
    return await database.read(lambda session: keys_after(session.connection(), table, after, _KEYS))


async def _known(database: Database, table: Table, after: Key | None, wanted: list[Key]) -> set[Key]:
    """Return the keys after `after`, up to the last one in `wanted`."""
    known: set[Key] = set()
    while not known or max(known) < wanted[-1]:
        some = await _keys(database, table, max(known, default=after) if known else after)
        if not some:
            break
        known.update(some)
    return known


async def _checksum(database: Database, table: Table) -> tuple[int, str]:
    number, digest, after = 0, hashlib.sha256(), None
    while rows := await _rows(database, table, after):
        for row in rows.values():
            digest.update(canonical(table, row).encode())
        number, after = number + len(rows), next(reversed(rows))
    return number, digest.hexdigest()


async def _rows(database: Database, table: Table, after: Key | None) -> dict[Key, dict[str, object]]:
    return await database.read(lambda session: rows_after(session.connection(), table, after, limit=_BATCH))


_LAST_NUMBER = {
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = 'agents'",
    "postgresql": "SELECT CASE WHEN is_called THEN last_value END FROM agents_number_seq",
}
_SET_NUMBER = {
    "sqlite": "UPDATE sqlite_sequence SET seq = max(seq, :number) WHERE name = 'agents'",
    "postgresql": "SELECT setval('agents_number_seq', greatest(last_value, :number)) FROM agents_number_seq",
}


async def _settle_numbers(source: Database, target: Database) -> None:
    """Make new agents get numbers that no agent ever had, including deleted ones."""
    number = await source.read(lambda session: session.scalar(_for_dialect(session, _LAST_NUMBER)))
    if number is not None:
        await target.write(
            lambda session: session.execute(_for_dialect(session, _SET_NUMBER), {"number": number})
        )


def _for_dialect(session: Session, statements: Mapping[str, str]) -> TextClause:
    return text(statements[session.get_bind().dialect.name])
