"""The first tables.

Revision ID: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# 64 bits; on SQLite only a column of type INTEGER is the row id.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables."""
    _owners()
    _agents()
    _blocks()
    _conversations()
    _passages()
    _tool_runs()


def downgrade() -> None:
    """Drop all tables."""
    for table in (
        "tool_runs",
        "passages",
        "messages",
        "threads",
        "block_versions",
        "agents_blocks",
        "blocks",
        "agents",
        "users",
        "organizations",
    ):
        op.drop_table(table)


def _text(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=null)


def _integer(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False, autoincrement=False)


def _instant(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def _json(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.JSON(), nullable=null)


def _number() -> sa.Column[Any]:
    return sa.Column("number", NUMBER, autoincrement=False, nullable=False)


def _primary_key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _belongs_to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="CASCADE")


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", "user_id"],
        ["users.organization_id", "users.id"],
        name=op.f(f"fk_{table}_organization_id_user_id"),
        ondelete="CASCADE",
    )


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def _owners() -> None:
    op.create_table("organizations", _text("id"), _instant("created_at"), _primary_key("organizations", "id"))
    op.create_table(
        "users",
        _text("organization_id"),
        _text("id"),
        _instant("created_at"),
        _primary_key("users", "organization_id", "id"),
        _belongs_to("users", "organization_id", "organizations"),
    )


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        _text("id"),
        _text("name"),
        _text("system", null=True),
        _text("model", null=True),
        _json("model_settings"),
        _json("tools"),
        _text("time_zone"),
        _integer("version"),
        _instant("created_at"),
        _instant("updated_at"),
        _text("organization_id"),
        _text("user_id"),
        _primary_key("agents", "number"),
        _unique("agents", "organization_id", "user_id", "name"),
        _of_user("agents"),
        _unique("agents", "id"),
        sqlite_autoincrement=True,
    )


def _blocks() -> None:
    op.create_table(
        "blocks",
        _text("id"),
        _text("label"),
        _text("value"),
        _integer("limit"),
        _integer("version"),
        _instant("created_at"),
        _instant("updated_at"),
        _text("organization_id"),
        _text("user_id"),
        _primary_key("blocks", "id"),
        _of_user("blocks"),
    )
    _index("blocks", "organization_id", "user_id")
    op.create_table(
        "agents_blocks",
        _text("agent_id"),
        _text("block_id"),
        _integer("position"),
        _primary_key("agents_blocks", "agent_id", "block_id"),
        _belongs_to("agents_blocks", "agent_id", "agents"),
        _belongs_to("agents_blocks", "block_id", "blocks"),
    )
    _index("agents_blocks", "block_id")
    op.create_table(
        "block_versions",
        _text("block_id"),
        _integer("version"),
        _text("value"),
        _text("changed_by"),
        _instant("changed_at"),
        _primary_key("block_versions", "block_id", "version"),
        _belongs_to("block_versions", "block_id", "blocks"),
    )


def _conversations() -> None:
    op.create_table(
        "threads",
        _text("id"),
        _text("agent_id"),
        _instant("created_at"),
        _instant("updated_at"),
        _text("organization_id"),
        _text("user_id"),
        _primary_key("threads", "id"),
        _of_user("threads"),
        _belongs_to("threads", "agent_id", "agents"),
    )
    _index("threads", "agent_id")
    _index("threads", "organization_id", "user_id", "updated_at")
    op.create_table(
        "messages",
        _number(),
        _text("id"),
        _text("thread_id"),
        _text("agent_id"),
        _text("turn_id"),
        _text("role"),
        _text("text"),
        _text("unheard", null=True),
        _json("tool_calls", null=True),
        _text("tool_call_id", null=True),
        _text("name", null=True),
        _text("status", null=True),
        _text("model", null=True),
        _json("usage", null=True),
        _instant("created_at"),
        _instant("evicted_at", null=True),
        _instant("consolidated_at", null=True),
        _primary_key("messages", "number"),
        _unique("messages", "thread_id", "id"),
        _belongs_to("messages", "thread_id", "threads"),
        _belongs_to("messages", "agent_id", "agents"),
    )
    _index("messages", "agent_id")
    _index("messages", "thread_id", "number")


def _passages() -> None:
    op.create_table(
        "passages",
        _number(),
        _text("id"),
        _text("agent_id"),
        _text("text"),
        _text("context", null=True),
        _json("tags"),
        _instant("created_at"),
        _primary_key("passages", "number"),
        _unique("passages", "id"),
        _belongs_to("passages", "agent_id", "agents"),
    )
    _index("passages", "agent_id")


def _tool_runs() -> None:
    op.create_table(
        "tool_runs",
        _text("thread_id"),
        _text("message_id"),
        _text("tool_call_id"),
        _text("tool"),
        _text("status"),
        _text("result", null=True),
        _text("outcome", null=True),
        _instant("started_at"),
        _instant("finished_at", null=True),
        _primary_key("tool_runs", "thread_id", "message_id", "tool_call_id"),
        _belongs_to("tool_runs", "thread_id", "threads"),
    )
