"""Count the rows of any table that contain given ids, in voicegraph's own tables by index."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    and_,
    any_,
    cast,
    column,
    false,
    func,
    inspect,
    or_,
    select,
    table,
)
from sqlalchemy.dialects import postgresql

from ..agents.actors import Actor, importing
from ..tables.tables import AgentRow, Base, BlockRow, PassageRow, ThreadRow, UserRow

_WITH_IDS = {model.__tablename__ for model in (AgentRow, BlockRow, PassageRow, ThreadRow)}
"""The tables whose `id` is searched for."""


def _of_ours(known: Table) -> tuple[str, ...]:
    own = ("id",) if known.name in _WITH_IDS else ()
    foreign = (key.parent.name for key in known.foreign_keys if key.column.table.name in _WITH_IDS)
    return *own, *sorted(foreign)


_OURS = {known.name: _of_ours(known) for known in Base.metadata.tables.values()}
"""The columns of each table that can contain an id; each is the first column of an index."""

_OURS_ON_POSTGRES = {
    **dict.fromkeys(("thread_checkpoints", "thread_writes", "thread_pieces"), ("thread_id",)),
    # These contain only numbers, by which `SearchIndex` counts them, or rows of running processes.
    **dict.fromkeys(("recall_entries", "recall_vectors", "archive_entries", "archive_vectors"), ()),
    "thread_wishes": (),
}
"""The same for tables that are in separate files on SQLite."""

# Types of PostgreSQL that cannot contain an id but may be large: comparing them would take minutes.
_NO_IDS = (postgresql.BYTEA, postgresql.TSVECTOR, postgresql.ARRAY, postgresql.JSONB)


def columns_with_ids(name: str, dialect: str) -> tuple[str, ...] | None:
    """Return the columns of voicegraph's own tables that can contain an id, `None` for other tables."""
    if dialect == "postgresql" and name in _OURS_ON_POSTGRES:
        return _OURS_ON_POSTGRES[name]
    return _OURS.get(name)


def count_rows_with_ids(connection: Connection, ids: Sequence[str], user: Actor | None) -> dict[str, int]:
    """Return, for each table of the database, how many rows contain one of the ids or belong to the user.

    In tables that are not voicegraph's own, a row contains an id if any of its columns equals it.
    """
    look = inspect(connection)
    counts: dict[str, int] = {}
    for name in sorted(look.get_table_names()):
        columns = [each["name"] for each in look.get_columns(name) if not isinstance(each["type"], _NO_IDS)]
        query = _counting(name, columns, ids, user, connection.dialect.name)
        counts[name] = 0 if query is None else connection.execute(query).scalar_one()
    return counts


def _counting(
    name: str, columns: Collection[str], ids: Sequence[str], user: Actor | None, dialect: str
) -> Select[int] | None:
    known = columns_with_ids(name, dialect)
    if known is None:  # The cast makes any type comparable; such a column cannot use an index.
        searched = [cast(column(each, Text), Text) for each in columns]
    else:
        searched = [column(each, Text) for each in known]
    conditions = [_is_one_of(each, ids, dialect) for each in searched]
    if user is not None:
        conditions += _is_of_user(name, columns, user)
    if not conditions:
        return None
    rows = table(name, *(column(each, Text) for each in columns))
    return select(func.count()).select_from(rows).where(or_(false(), *conditions))


def _is_of_user(name: str, columns: Collection[str], actor: Actor) -> list[ColumnElement[bool]]:
    user = "id" if name == UserRow.__tablename__ else "user_id"
    if not {"organization_id", user} <= set(columns):
        return []
    users = (actor.user_id, importing(actor).user_id)
    return [and_(column("organization_id") == actor.organization_id, column(user).in_(users))]


def _is_one_of(value: ColumnElement[str], ids: Sequence[str], dialect: str) -> ColumnElement[bool]:
    # One bound parameter for any number of ids: the number of parameters is limited.
    if dialect == "postgresql":
        return value == any_(cast(list(ids), postgresql.ARRAY(Text)))
    given: Any = func.json_each(json.dumps(ids)).table_valued("value")
    return value.in_(select(given.c.value))
