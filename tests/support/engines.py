"""The SQLAlchemy engine of a database, for tests that watch its statements."""

from typing import cast

from sqlalchemy import Engine

from voicegraph.state.database.database import Database
from voicegraph.state.postgres.database import PostgresDatabase
from voicegraph.state.sqlite.database import SqliteDatabase


def engine_of(database: Database) -> Engine:
    """Return the engine that sends the statements of an open database."""
    if isinstance(database, SqliteDatabase):
        return database.engine
    return cast(PostgresDatabase, database).engine.sync_engine
