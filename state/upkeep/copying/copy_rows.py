"""Rows to copy: in the order of their keys, comparable between databases."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Table, and_, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from ...tables.columns import json_for_postgres, storable
from ...tables.tables import Base, MessageRow, PassageRow, RemovalRow

TABLES = tuple(table for table in Base.metadata.sorted_tables if table is not RemovalRow.__table__)
"""The tables to copy, referenced ones first. The search index is not copied: it is rebuilt."""

Key = tuple[Any, ...]
Row = dict[str, Any]

# Each database has its own search index, so every row is due again.
_DUE_AGAIN = {MessageRow.__table__: {"indexed_at": None}, PassageRow.__table__: {"indexed_at": None}}
_INSERTS = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


def count_rows(connection: Connection, table: Table) -> int:
    """Return the number of rows."""
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def rows_after(
    connection: Connection,
    table: Table,
    after: Key | None,
    *,
    up_to: Key | None = None,
    limit: int | None = None,
) -> dict[Key, Row]:
    """Return rows with keys after `after`, up to and including `up_to`, in the order of keys."""
    keys = list(table.primary_key)
    query = select(table).order_by(*keys).limit(limit)
    if after is not None:
        query = query.where(_is_after(keys, after))
    if up_to is not None:
        query = query.where(~_is_after(keys, up_to))
    return {_key(table, row): dict(row) for row in connection.execute(query).mappings()}


def keys_after(connection: Connection, table: Table, after: Key | None, limit: int) -> list[Key]:
    """Return the next keys."""
    keys = list(table.primary_key)
    query = select(*keys).order_by(*keys).limit(limit)
    if after is not None:
        query = query.where(_is_after(keys, after))
    return [tuple(row) for row in connection.execute(query)]


def write_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, replacing existing ones with the same key."""
    insert = _INSERTS[connection.dialect.name](table)
    others = [column.name for column in table.columns if not column.primary_key]
    upsert = insert.on_conflict_do_update(
        index_elements=list(table.primary_key), set_={name: insert.excluded[name] for name in others}
    )
    again = _DUE_AGAIN.get(table, {})
    connection.execute(upsert, [{**row, **again} for row in rows])


def canonical(table: Table, row: Row) -> str:
    """Return a row as text that is equal on both databases if nothing was lost."""
    again = _DUE_AGAIN.get(table, {})
    values = {name: _plain(value) for name, value in row.items() if name not in again}
    return json.dumps(values, sort_keys=True)


def _key(table: Table, row: Any) -> Key:
    return tuple(row[column.name] for column in table.primary_key)


def _is_after(columns: Sequence[Column[Any]], key: Key) -> Any:
    pairs = list(zip(columns, key, strict=True))
    return or_(
        *(
            and_(*(column == value for column, value in pairs[:place]), pairs[place][0] > pairs[place][1])
            for place in range(len(pairs))
        )
    )


def _plain(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case dict() | list():
            return json.loads(json_for_postgres(value))
        case _:
            return value
