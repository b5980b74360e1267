"""Migrate the tables of a database to the newest revision."""

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from ..database.faults import storage_faults
from ..database.location import Location, checkpoint_path
from ..errors import StorageError
from ..postgres.connection import connection_arguments
from ..sqlite.connection import BEGIN, MIGRATE, set_up
from ..tables.tables import Base

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0008"
"""The newest revision. A constant, so that an up-to-date database is opened without importing Alembic."""

MIGRATIONS = Path(__file__).parent

# Alembic's environment is global to the process.
_one_at_a_time = threading.Lock()

_VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
"""The same table that Alembic creates."""

_ADVISORY_LOCK = 0x766F696365


async def upgrade(location: Location) -> tuple[str | None, str]:
    """Apply all missing migrations in one transaction; return the revisions before and after.

    The write lock is taken first: of two processes that start at once, one migrates and the other finds it
    done. Raises `StorageError` if a newer version of voicegraph created the database.
    """
    # Alembic blocks, and so does importing it, so neither runs on the event loop.
    return await asyncio.to_thread(_upgrade, location)


def _upgrade(location: Location) -> tuple[str | None, str]:
    engine = _engine(location)
    try:
        with _one_at_a_time, storage_faults(location.shown), engine.begin() as connection:
            if not location.sqlite and revision_of(connection) != HEAD:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            before = revision_of(connection)
            if before is None and location.sqlite and not inspect(connection).get_table_names():
                _make(connection)
            elif before != HEAD:
                _migrate(connection, before, location)
            return before, HEAD
    finally:
        engine.dispose()


def _engine(location: Location) -> Engine:
    if not location.sqlite:
        arguments = connection_arguments(location.engine_url)
        return create_engine(location.engine_url, poolclass=NullPool, connect_args=arguments)
    engine = create_engine(location.engine_url, poolclass=NullPool, connect_args={"isolation_level": None})
    set_up(engine)
    return engine.execution_options(**{BEGIN: MIGRATE})


def revision_of(connection: Connection) -> str | None:
    """Return the revision of a database's tables, `None` if it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _make(connection: Connection) -> None:
    """Create all tables in their newest form, with the same result as the migrations.

    Alembic takes 8 MB of memory and a third of a second, which a first start can save.
    """
    Base.metadata.create_all(connection)
    connection.execute(text(_VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def alembic_config(connection: Connection, location: Location) -> "Config":
    """Return Alembic's configuration to migrate the database at `location` over `connection`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = Base.metadata
    config.attributes["checkpoints"] = checkpoint_path(location.path)
    return config


def _migrate(connection: Connection, before: str | None, location: Location) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config(connection, location)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if before is not None and before not in known:
        raise StorageError(
            f"database {location.shown} was created by a newer version of voicegraph "
            f"(its revision is {before}, this version knows {HEAD}): "
            "upgrade voicegraph or choose another database"
        )
    command.upgrade(config, "head")
