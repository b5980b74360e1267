"""A full disk: the caller hears an apology, health and metrics show it, and the server recovers by itself."""

import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from openai_server import OpenAIServer, text
from patience import PATIENCE
from psycopg.sql import SQL, Identifier
from served_app import Serve
from serving import Process, serving

from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state.errors import StorageError

CHAT = "/v1/chat/completions"
APOLOGY = TurnLimits().apology


def body(words: str, thread: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words}], "thread_id": thread, **fields}


def spoken(answer: httpx.Response) -> str:
    assert answer.status_code == 200
    return answer.json()["choices"][0]["message"]["content"]


@contextmanager
def full_disk(process: Process) -> Iterator[None]:
    """Let the process write no file beyond its first page; the limit binds every user, root too."""
    pid = process.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4_096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def full_postgres(url: str) -> Iterator[None]:
    """Let the database refuse each row as PostgreSQL does without room on its disk."""
    full = (
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
        "'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"
    )
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(full)
        for (table,) in connection.execute(tables).fetchall():
            trigger = SQL(
                "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {} EXECUTE FUNCTION full_disk()"
            )
            connection.execute(trigger.format(Identifier(table)))
        yield
        connection.execute("DROP FUNCTION full_disk CASCADE")


def counted(client: httpx.Client) -> set[str]:
    return set(client.get("/metrics").text.splitlines())


def wait_until_stored(client: httpx.Client) -> None:
    """Wait for the end of the turns: a reply goes out before it is stored."""
    until = time.monotonic() + PATIENCE
    while "voicegraph_running_turns 0.0" not in counted(client) and time.monotonic() < until:
        pass


def asked_last(backend: OpenAIServer) -> list[str]:
    """Return what the caller said by the last request to the model."""
    return [each["content"] for each in backend.requests[-1].messages if each["role"] == "user"]


def said(client: httpx.Client, thread: str) -> list[str]:
    """Return what the caller said by the record."""
    record = client.get(f"/v1/threads/{thread}/messages").json()["data"]
    return [each["text"] for each in reversed(record) if each["role"] == "user"]


def wait_until_ready(client: httpx.Client) -> None:
    until = time.monotonic() + PATIENCE
    while client.get("/ready").status_code != 200:
        assert time.monotonic() < until


def test_on_a_full_disk_a_new_call_is_spoken_to_and_the_server_says_that_it_is_not_ready(
    tmp_path: Path,
) -> None:
    with (
        OpenAIServer(default=text("Hello there.")) as backend,
        serving(tmp_path, backend) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        assert spoken(client.post(CHAT, json=body("Hi", "known"))) == "Hello there."
        assert client.get("/ready").json() == {"status": "ready"}
        wait_until_stored(client)
        with full_disk(server):
            assert spoken(client.post(CHAT, json=body("Hi", "new"))) == APOLOGY
            streamed = client.post(CHAT, json=body("Hi", "new", stream=True)).text
            known = [spoken(client.post(CHAT, json=body(words, "known"))) for words in ("Hello?", "Go on.")]
            away = client.get("/ready")
            lines = counted(client)
        chunks = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
        assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == APOLOGY
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
        assert streamed.endswith("data: [DONE]\n\n")
        assert known == ["Hello there."] * 2  # It needs the disk only to be stored.
        assert away.status_code == 503
        assert away.json() == {"status": "cannot store", "reason": "the disk cannot be written"}
        assert 'voicegraph_failures_total{error="storage"} 2.0' in lines
        assert any(line.startswith('voicegraph_storage_failures_total{error="storage"}') for line in lines)
        assert 'voicegraph_http_responses_total{status="503"} 1.0' in lines
        wait_until_ready(client)
        assert spoken(client.post(CHAT, json=body("Hi", "new"))) == "Hello there."
        client.post(CHAT, json=body("Still there?", "known"))
        assert asked_last(backend) == ["Hi", "Hello?", "Go on.", "Still there?"]
        wait_until_stored(client)
        assert said(client, "known") == ["Hi", "Hello?", "Go on.", "Still there?"]
        server.terminate()
        written = server.process.stderr.read().splitlines()
    apologies = [line for line in written if "a turn could not start" in line]
    assert len(apologies) == 2
    for line in apologies:
        assert "thread_id=new agent=default error=storage" in line
        assert 'cause="database ' in line and "disk I/O error" in line
    assert any("a turn could not be stored thread_id=known" in line for line in written)


def test_postgresql_without_room_on_its_disk_loses_no_turn_of_a_call(
    tmp_path: Path, postgres_url: str
) -> None:
    with (
        OpenAIServer(default=text("Hello there.")) as backend,
        serving(tmp_path, backend, database_url=postgres_url) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        assert spoken(client.post(CHAT, json=body("One.", "known"))) == "Hello there."
        wait_until_stored(client)
        with full_postgres(postgres_url):
            assert spoken(client.post(CHAT, json=body("Two.", "known"))) == "Hello there."
            assert spoken(client.post(CHAT, json=body("Hi", "new"))) == APOLOGY
            away = client.get("/ready")
        assert (away.status_code, away.json()["reason"]) == (503, "the disk of the database is full")
        assert spoken(client.post(CHAT, json=body("Three.", "known"))) == "Hello there."
        assert asked_last(backend) == ["One.", "Two.", "Three."]
        assert spoken(client.post(CHAT, json=body("Hi", "new"))) == "Hello there."
        wait_until_ready(client)
        wait_until_stored(client)
        assert said(client, "known") == ["One.", "Two.", "Three."]


async def test_a_side_call_without_a_database_gets_an_error_not_an_apology(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise StorageError("away")

    async with serve() as served, served.client() as client:
        monkeypatch.setattr(served.resources.store.agents, "get", away)
        answer = await client.post(CHAT, json=body("Summarize.", "t", side_call=True))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage")


async def test_an_error_that_nobody_foresaw_before_a_turn_is_an_apology(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("a bug")

    async with serve() as served, served.client() as client:
        monkeypatch.setattr(served.resources.store.agents, "ensure_default", broken)
        monkeypatch.setattr(served.resources.store.threads, "claim", broken)
        assert spoken(await client.post(CHAT, json=body("Hi", "t"))) == APOLOGY
