"""The server that tests of PostgreSQL run on."""

import psycopg
from postgres_databases import PostgresDatabases
from postgres_server import PostgresServer


def test_a_killed_server_has_all_that_was_committed_when_it_starts_again(own_server: PostgresServer) -> None:
    with psycopg.connect(own_server.url()) as connection:
        connection.execute("CREATE TABLE words AS SELECT 'hello' AS word")
    own_server.kill()
    own_server.start()
    with psycopg.connect(own_server.url()) as connection:
        assert connection.execute("SELECT word FROM words").fetchall() == [("hello",)]


def test_two_fresh_databases_are_apart(postgres: PostgresDatabases) -> None:
    with postgres.fresh() as one, postgres.fresh() as other:
        with psycopg.connect(one) as connection:
            connection.execute("CREATE TABLE words AS SELECT 'hello' AS word")
        with psycopg.connect(other) as connection:
            assert connection.execute("SELECT to_regclass('words')").fetchone() == (None,)
