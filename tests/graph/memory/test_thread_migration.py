"""Databases whose thread ids were one name space for all users: each conversation goes on as its owner's."""

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from calling import user_says
from forked_python import ForkedPython
from open_voice import OpenVoice
from patience import PATIENCE
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from voicegraph.graph import build_graph
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.database.location import parse_location
from voicegraph.state.migrations.upgrade import HEAD, alembic_config

BEFORE = "0006"
CALLS = {
    "room-9": Actor("acme", "ada"),
    "room-9~c96d69b0f34b": Actor("other", "eve"),
    "call-1": Actor("acme", "ada"),
    "call-2": Actor("acme", "default"),
    "call-3": Actor(),
}
TABLES = ("threads", "messages", "tool_runs", "turn_journal")


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


def call(thread_id: str) -> Any:
    actor = CALLS[thread_id]
    whose = {"organization": actor.organization_id, "user": actor.user_id}
    return {"configurable": {"thread_id": thread_id, **whose}}


def told(thread_id: str) -> str:
    return f"My secret is {thread_id.swapcase()}."


async def talk(open_voice: OpenVoice, words: Callable[[str], str]) -> dict[str, str]:
    """Have a turn on each thread; return what the model was sent there."""
    model, sent = ScriptedChatModel(lambda _: "Yes."), dict[str, str]()
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        for thread_id in CALLS:
            said: Any = user_says(words(thread_id))
            await graph.ainvoke(said, call(thread_id))
            sent[thread_id] = " ".join(message.text for message in model.requests[-1].messages)
    return sent


async def fill(open_voice: OpenVoice, url: str) -> None:
    """Make an old database with a turn on each thread, one of them with a tool run."""
    await talk(open_voice, told)
    async with open_voice(ScriptedChatModel([])) as resources:
        store, ada = resources.store, CALLS["room-9"]
        await store.tool_runs.begin(ada, "room-9", "m1", "c1", "clock")
    migrate(url, BEFORE)


def migrate(url: str, revision: str) -> None:
    """Bring a database to a revision, up or down."""
    location = parse_location(url)
    engine = create_engine(location.engine_url, poolclass=NullPool)
    with engine.begin() as connection:
        config = alembic_config(connection, location)
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        (command.downgrade if revision == BEFORE else command.upgrade)(config, revision)


def stored(url: str) -> dict[str, set[str]]:
    """Return the thread ids in each table, those of the checkpoints included."""
    column = {"threads": "id"}
    if not url.startswith("sqlite"):
        with psycopg.connect(url) as connection:
            tables = (*TABLES, "thread_checkpoints", "thread_writes", "thread_pieces")
            queries: Any = {
                table: f"SELECT {column.get(table, 'thread_id')} FROM {table}" for table in tables
            }
            return {
                table.removeprefix("thread_"): {id_ for (id_,) in connection.execute(query)}
                for table, query in queries.items()
            }
    found: dict[str, set[str]] = {}
    file = Path(url.removeprefix("sqlite:///"))
    for path, tables in ((file, TABLES), (checkpoints(file), ("checkpoints", "writes", "pieces"))):
        with closing(sqlite3.connect(path)) as connection:
            for table in tables:
                query = f"SELECT {column.get(table, 'thread_id')} FROM {table}"
                found[table] = {id_ for (id_,) in connection.execute(query)}
    return found


def checkpoints(file: Path) -> Path:
    return file.with_name("voice.checkpoints.db")


async def test_each_conversation_goes_on_and_is_nobody_else_s(open_voice: OpenVoice, voice_url: str) -> None:
    await fill(open_voice, voice_url)
    old = stored(voice_url)
    assert old["threads"] == old["messages"] == old["checkpoints"] == set(CALLS)
    sent = await talk(open_voice, lambda _: "What is it?")
    for thread_id, words in sent.items():
        assert [each for each in CALLS if told(each) in words] == [thread_id]
    async with open_voice(ScriptedChatModel([])) as resources:
        for thread_id, actor in CALLS.items():
            record = await resources.store.messages.history(actor, thread_id)
            assert [message.text for message in record] == [told(thread_id), "Yes.", "What is it?", "Yes."]
        assert await resources.store.tool_runs.of_message(CALLS["room-9"], "room-9", "m1")


async def test_all_tables_have_the_keys(open_voice: OpenVoice, voice_url: str) -> None:
    await fill(open_voice, voice_url)
    migrate(voice_url, HEAD)
    keys = {
        "acme\x1fada\x1froom-9",
        "other\x1feve\x1froom-9~c96d69b0f34b",
        "acme\x1fada\x1fcall-1",
        "acme\x1fdefault\x1fcall-2",
        "call-3",
    }
    new = stored(voice_url)
    assert new.pop("tool_runs") == {"acme\x1fada\x1froom-9"}
    assert new.pop("turn_journal") == set()
    assert list(new.values()) == [keys] * len(new)


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
async def test_checkpoints_beside_a_link_to_the_database_are_found(
    open_voice: OpenVoice, voice_url: str, tmp_path: Path
) -> None:
    await fill(open_voice, voice_url)
    (tmp_path / "there").mkdir()
    (tmp_path / "voice.db").rename(tmp_path / "there" / "real.db")
    (tmp_path / "voice.db").symlink_to(tmp_path / "there" / "real.db")
    sent = await talk(open_voice, lambda _: "What is it?")
    assert all(told(thread_id) in words for thread_id, words in sent.items())


async def test_one_user_s_name_is_free_for_the_others_at_once(open_voice: OpenVoice, voice_url: str) -> None:
    await fill(open_voice, voice_url)
    model = ScriptedChatModel(lambda _: "Hello.")
    async with open_voice(model) as resources:
        config: Any = {"configurable": {"thread_id": "room-9"}}
        hello: Any = user_says("Hi.")
        await build_graph(resources).ainvoke(hello, config)
        assert told("room-9") not in str(model.requests[-1].messages)
        assert len(await resources.store.messages.history(CALLS["room-9"], "room-9")) == 2
        assert len(await resources.checkpointer.threads()) == len(CALLS) + 1


async def test_a_name_that_two_users_have_by_now_survives_an_undone_upgrade(
    open_voice: OpenVoice, voice_url: str
) -> None:
    owners = [Actor("acme", "ada"), Actor("other", "eve")]
    configs: list[Any] = [
        {"configurable": {"thread_id": "room-9", "organization": each.organization_id, "user": each.user_id}}
        for each in owners
    ]
    for _ in range(2):
        async with open_voice(ScriptedChatModel(lambda _: "Yes.")) as resources:
            graph = build_graph(resources)
            for config in configs:
                said: Any = user_says("Hi.")
                await graph.ainvoke(said, config)
        before = stored(voice_url)
        migrate(voice_url, BEFORE)
        migrate(voice_url, HEAD)
        assert stored(voice_url) == before
    async with open_voice(ScriptedChatModel([])) as resources:
        for config in configs:
            state = await build_graph(resources).aget_state(config)
            assert len(state.values["messages"]) == 4


DYING = """
import sqlite3, sys, os, signal, asyncio
from voicegraph.state.open import open_database
import voicegraph.state.migrations.upgrade, alembic.command, alembic.config, alembic.script

def count(statement):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

connect = sqlite3.connect
def watched(*arguments, **options):
    connection = connect(*arguments, **options)
    connection.set_trace_callback(count)
    return connection
sqlite3.connect = sqlite3.dbapi2.connect = watched

async def upgrade(url):
    await (await open_database(url)).close()

for line in sys.stdin:
    url, number = line.split()
    left = [int(number)]
    pid = os.fork()
    if pid == 0:
        asyncio.run(upgrade(url))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


def kill_each(url: str, folder: Path) -> list[dict[str, set[str]]]:
    """Kill an upgrade at each of its statements, and complete it; return how it was left, each way once."""
    files = {path: path.read_bytes() for path in folder.glob("voice*")}
    left, whole = list[dict[str, set[str]]](), list[dict[str, set[str]]]()
    with ForkedPython(["-c", DYING], stdin=True) as process:
        assert process.stdin is not None
        for number in range(1, 500):
            for path in folder.glob("voice*"):
                path.unlink()
            for path, content in files.items():
                path.write_bytes(content)
            print(url, number, file=process.stdin, flush=True)
            if (ended := int(process.stdout.readline())) == 0:
                break
            assert ended == -signal.SIGKILL
            left += [found] if (found := stored(url)) not in left else []
            migrate(url, HEAD)
            whole += [found] if (found := stored(url)) not in whole else []
        process.stdin.close()
        process.wait(PATIENCE)
    assert len(whole) == 1
    return left


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
async def test_an_upgrade_that_is_killed_at_any_statement_is_completed_by_the_next(
    open_voice: OpenVoice, voice_url: str, tmp_path: Path
) -> None:
    await fill(open_voice, voice_url)
    # Before both files were changed, and between them.
    assert len(kill_each(voice_url, tmp_path)) == 2
    sent = await talk(open_voice, lambda _: "What is it?")
    assert all(told(thread_id) in words for thread_id, words in sent.items())
