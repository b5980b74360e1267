"""A password of PostgreSQL that stands in no URL, where other users of the machine would see it."""

import time
from pathlib import Path

import psycopg
import pytest
from calling import user_says
from patience import PATIENCE
from postgres_server import PostgresServer

from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state.errors import StorageError

PASSWORD = "correct horse"


@pytest.fixture
def guarded_url(own_server: PostgresServer) -> str:
    """The URL of a database that asks its user `ada` for a password."""
    with psycopg.connect(own_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE ada LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        rules.write_text(f"host all ada 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        connection.execute("SELECT pg_reload_conf()")
    url = own_server.url().replace("postgres@", "ada@")
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return url
    raise AssertionError("no password was asked for")


async def test_a_password_is_taken_from_the_file_that_pgpassfile_names(
    guarded_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"127.0.0.1:*:*:ada:{PASSWORD}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    async with open_resources(guarded_url, model=ScriptedChatModel(["Hello."])) as resources:
        state = await build_graph(resources).ainvoke(
            user_says("Hi."), {"configurable": {"thread_id": "call-42"}}
        )
    assert state["messages"][-1].text == "Hello."


async def test_without_it_the_error_names_what_to_check(
    guarded_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    with pytest.raises(StorageError, match="password"):
        async with open_resources(guarded_url, model=ScriptedChatModel([])):
            pass
