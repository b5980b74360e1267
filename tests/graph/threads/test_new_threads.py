"""New threads: what a process knows of an agent is not asked again for each call."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from calling import user_says
from open_voice import OpenVoice
from sqlalchemy import event

from voicegraph.graph import Resources, build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.errors import AgentNotFound, ThreadTaken


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


def on(thread_id: str, agent: str = "") -> Any:
    return {"configurable": {"thread_id": thread_id, "agent": agent}}


def statements_of(resources: Resources) -> list[str]:
    """Return a list that gets the statements on agents and threads that follow."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(" ".join(statement.split()))

    engine: Any = resources.store.database.engine  # type: ignore[attr-defined]
    event.listen(getattr(engine, "sync_engine", engine), "before_cursor_execute", note)
    return seen


async def test_a_thread_of_an_agent_that_the_process_knows_is_claimed_by_one_statement(
    open_voice: OpenVoice,
) -> None:
    async with open_voice(ScriptedChatModel(["Hello."])) as resources:
        await resources.known.claim(Actor(), "", "call-1")
        seen = statements_of(resources)
        assert await resources.known.claim(Actor(), "", "call-2") == ("default", "new")
        assert [statement.partition(" (")[0] for statement in seen if "threads" in statement] == [
            "INSERT INTO threads"
        ]
        assert not any("organizations" in statement for statement in seen)


async def test_fifty_new_calls_at_once_all_get_their_threads(open_voice: OpenVoice) -> None:
    names = [f"call-{number}" for number in range(50)]
    async with open_voice(ScriptedChatModel(["Hello."] * 50)) as resources:
        graph = build_graph(resources)
        await asyncio.gather(*(graph.ainvoke(user_says(f"I am {name}."), on(name)) for name in names))
        for name in names:
            said = await resources.store.messages.history(Actor(), name)
            assert [message.text for message in said] == [f"I am {name}.", "Hello."]


async def test_the_id_of_another_agents_thread_is_refused(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        await resources.known.claim(Actor(), "", "call-1")
        await resources.store.agents.create(Actor(), "nina")
        await resources.known.claim(Actor(), "nina", "call-2")
        with pytest.raises(ThreadTaken):
            await resources.known.claim(Actor(), "nina", "call-1")


async def test_an_agent_that_was_deleted_and_made_again_gets_its_threads(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        await resources.store.actors.ensure(Actor())
        first = await resources.store.agents.create(Actor(), "nina")
        await resources.known.claim(Actor(), "nina", "call-1")
        await resources.store.agents.delete(Actor(), first.id)
        with pytest.raises(AgentNotFound):
            await resources.known.claim(Actor(), "nina", "call-2")
        second = await resources.store.agents.create(Actor(), "nina")
        await resources.known.claim(Actor(), "nina", "call-2")
        assert (await resources.store.threads.get(Actor(), "call-2")).agent_id == second.id


async def test_a_thread_that_exists_is_claimed_while_its_database_cannot_be_written(
    database_url: str, tmp_path: Path
) -> None:
    async with open_resources(database_url, model=ScriptedChatModel([])) as resources:
        for name in ("call-1", "call-2"):
            await resources.known.claim(Actor(), "", name)
        resources.known.forget("call-1")
        with closing(sqlite3.connect(tmp_path / "voice.db", isolation_level=None)) as program:
            program.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(3):  # A write would wait for 5 seconds.
                assert await resources.known.claim(Actor(), "", "call-1") == ("default", "cold")
            program.execute("ROLLBACK")
