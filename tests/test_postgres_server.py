"""The server that tests of PostgreSQL run on."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from postgres_databases import PostgresDatabases
from postgres_server import PostgresServer


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of its own, that the test may stop and kill."""
    with tempfile.TemporaryDirectory(prefix="voicegraph-own-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder))
        server.start()
        yield server
        server.stop()


def test_a_killed_server_has_all_that_was_committed_when_it_starts_again(server: PostgresServer) -> None:
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE words AS SELECT 'hello' AS word")
    server.kill()
    server.start()
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT word FROM words").fetchall() == [("hello",)]


def test_two_fresh_databases_are_apart(postgres: PostgresDatabases) -> None:
    with postgres.fresh() as one, postgres.fresh() as other:
        with psycopg.connect(one) as connection:
            connection.execute("CREATE TABLE words AS SELECT 'hello' AS word")
        with psycopg.connect(other) as connection:
            assert connection.execute("SELECT to_regclass('words')").fetchone() == (None,)
