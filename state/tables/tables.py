"""The tables. Rows never leave this package: repositories return frozen dataclasses."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    DDL,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .columns import Instant, Plain, PlainDict, PlainList, RowNumber, StorableText

SEQUENCE_BITS = 32
"""A message's number is `agent.number << 32 | sequence`, so that BETWEEN keeps a query inside one agent."""


class Base(DeclarativeBase):
    """Base of all tables; constraints have the same names on every database."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: StorableText(),
        datetime: Instant(),
        list[str]: Plain,
        PlainDict: Plain,
        PlainList: Plain,
    }


def _of_user() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["organization_id", "user_id"], ["users.organization_id", "users.id"], ondelete="CASCADE"
    )


def _due(table: str) -> Index:
    """Return the index of the rows that are not in the search index yet: few, so it costs little."""
    due = text("indexed_at IS NULL")
    return Index(f"ix_{table}_due", "number", sqlite_where=due, postgresql_where=due)


class Owned:
    """Columns of rows that belong to one user of one organization."""

    organization_id: Mapped[str]
    user_id: Mapped[str]


class OrganizationRow(Base):
    """A tenant."""

    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class UserRow(Base):
    """A person or service of an organization."""

    __tablename__ = "users"

    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]


class ApiKeyRow(Owned, Base):
    """A key of the HTTP server: the hash of its secret, never the secret."""

    __tablename__ = "api_keys"
    __table_args__ = (_of_user(), Index(None, "organization_id", "user_id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AgentRow(Owned, Base):
    """An agent. Its number is never reused, because the numbers of its messages are made from it."""

    __tablename__ = "agents"
    __table_args__ = (
        UniqueConstraint("organization_id", "user_id", "name"),
        _of_user(),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    system: Mapped[str | None]
    model: Mapped[str | None]
    model_settings: Mapped[PlainDict] = mapped_column(default=dict)
    tools: Mapped[list[str]] = mapped_column(default=list)
    time_zone: Mapped[str] = mapped_column(default="UTC")
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BlockRow(Owned, Base):
    """A memory block at its newest version."""

    __tablename__ = "blocks"
    __table_args__ = (_of_user(), Index(None, "organization_id", "user_id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]
    value: Mapped[str]
    limit: Mapped[int]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AgentBlockRow(Base):
    """A block attached to an agent; `position` is its place in the prompt."""

    __tablename__ = "agents_blocks"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    block_id: Mapped[str] = mapped_column(
        ForeignKey("blocks.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    position: Mapped[int]


class BlockVersionRow(Base):
    """The text of a block at one version."""

    __tablename__ = "block_versions"

    block_id: Mapped[str] = mapped_column(ForeignKey("blocks.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[str]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]


class ThreadRow(Owned, Base):
    """One conversation or call."""

    __tablename__ = "threads"
    __table_args__ = (
        _of_user(),
        Index(None, "organization_id", "user_id", "updated_at"),
        # Without the id, which contains the owner again: together they may be too long for PostgreSQL.
        Index(None, "organization_id", "user_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """The key of the thread, see `thread_keys`."""
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MessageRow(Base):
    """A message of a thread."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("thread_id", "id"),
        Index(None, "thread_id", "number"),
        _due("messages"),
    )

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=False)
    id: Mapped[str]
    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"))
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    turn_id: Mapped[str]
    role: Mapped[str]
    text: Mapped[str]
    unheard: Mapped[str | None]
    spoken: Mapped[str | None]
    tool_calls: Mapped[PlainList | None]
    tool_call_id: Mapped[str | None]
    name: Mapped[str | None]
    status: Mapped[str | None]
    model: Mapped[str | None]
    usage: Mapped[PlainDict | None]
    created_at: Mapped[datetime]
    evicted_at: Mapped[datetime | None]
    consolidated_at: Mapped[datetime | None]
    indexed_at: Mapped[datetime | None]


class PassageRow(Base):
    """A passage of archival memory, numbered like messages."""

    __tablename__ = "passages"
    __table_args__ = (_due("passages"),)

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    text: Mapped[str]
    context: Mapped[str | None]
    tags: Mapped[list[str]]
    created_at: Mapped[datetime]
    indexed_at: Mapped[datetime | None]


class RemovalRow(Base):
    """A deleted message or passage that may still have an entry in the search index.

    SQLite's triggers write these rows, so no deletion is missed, including cascades.
    """

    __tablename__ = "index_removals"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    kind: Mapped[str]
    number: Mapped[int] = mapped_column(RowNumber)


def _note_removals(table: Any) -> None:
    assert isinstance(table, Table)
    trigger = DDL(
        f"CREATE TRIGGER {table.name}_removed AFTER DELETE ON {table.name} BEGIN "
        f"INSERT INTO index_removals (kind, number) VALUES ('{table.name}', old.number); END"
    )
    event.listen(table, "after_create", trigger.execute_if(dialect="sqlite"))


_note_removals(MessageRow.__table__)
_note_removals(PassageRow.__table__)


class ToolRunRow(Base):
    """A started tool call and its outcome."""

    __tablename__ = "tool_runs"

    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[str] = mapped_column(primary_key=True)
    tool_call_id: Mapped[str] = mapped_column(primary_key=True)
    tool: Mapped[str]
    status: Mapped[str]
    result: Mapped[str | None]
    outcome: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class JournalRow(Base):
    """A running turn, or one that a crash interrupted: what must survive until its messages are stored."""

    __tablename__ = "turn_journal"

    thread_id: Mapped[str] = mapped_column(ForeignKey("threads.id", ondelete="CASCADE"), primary_key=True)
    turn_id: Mapped[str]
    process: Mapped[int]
    """Token of the process that runs the turn (SQLite only)."""
    started_at: Mapped[datetime]
    messages: Mapped[PlainList]
    """The messages that the caller added."""
    lost: Mapped[str]
    """Text sent by processes that died during the turn; no message of its window contains it."""
    spoken: Mapped[str]
    """Text sent since, as far as it was recorded."""
    resumed: Mapped[bool]
    """True if another process resumed it."""
    recorded_at: Mapped[datetime | None]
    """When the text of a crashed turn was added to the record."""
