"""Forgetting removes everything, proves it, and touches nothing of anybody else."""

from pathlib import Path

import pytest
from open_voice import OpenVoice
from remembered import live, talk, thread_of
from sqlalchemy import text

from voicegraph.graph import Resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.agents.thread_keys import thread_key
from voicegraph.state.errors import AgentNotFound, NotFound, ThreadNotFound
from voicegraph.state.upkeep.erasure_subject import ErasureSubjects
from voicegraph.state.upkeep.forget import Forgotten, forget_agent, forget_thread, forget_user


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


ADA, EVE = Actor("acme", "ada"), Actor("acme", "eve")


@pytest.fixture
def model() -> ScriptedChatModel:
    return ScriptedChatModel(lambda messages: f"You said {messages[-1].text}.")


def rows(forgotten: Forgotten, *tables: str) -> dict[str, int]:
    return {table: forgotten.before[table] for table in tables}


async def everything(resources: Resources) -> dict[str, int]:
    names = "agents blocks block_versions threads messages passages tool_runs users organizations".split()
    query = text("SELECT " + ", ".join(f"(SELECT count(*) FROM {name}) AS {name}" for name in names))
    return dict(await resources.store.database.read(lambda session: session.execute(query).mappings().one()))


async def test_of_a_forgotten_user_nothing_is_left(open_voice: OpenVoice, model: ScriptedChatModel) -> None:
    async with open_voice(model) as resources:
        await live(resources, ADA)
        forgotten = await forget_user(resources.store, resources.checkpointer, ADA)
        assert await everything(resources) == dict.fromkeys(await everything(resources), 0)
    assert forgotten.complete
    assert set(forgotten.left.values()) == {0}
    assert rows(forgotten, "users", "agents", "blocks", "block_versions", "threads", "messages") == {
        "users": 1,
        "agents": 2,
        "blocks": 3,
        "block_versions": 4,
        "threads": 2,
        "messages": 4,
    }
    assert rows(forgotten, "passages", "tool_runs", "agents_blocks") == {
        "passages": 2,
        "tool_runs": 1,
        "agents_blocks": 4,
    }
    assert (
        forgotten.before["thread_checkpoints" if "thread_checkpoints" in forgotten.before else "checkpoints"]
        > 0
    )
    assert sum(count for table, count in forgotten.before.items() if table.endswith("writes")) > 0
    assert forgotten.before["search index"] == 6


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
async def test_their_words_are_in_none_of_the_files_any_more(
    open_voice: OpenVoice, model: ScriptedChatModel, tmp_path: Path
) -> None:
    def said_by(who: bytes) -> list[str]:
        return [file.name for file in tmp_path.iterdir() if who + b"-nina-" in file.read_bytes()]

    async with open_voice(model) as resources:
        await live(resources, ADA)
        await live(resources, EVE)
        eve = await resources.store.agents.get(EVE, "nina")
        assert len(said_by(b"ada")) >= 3
        await forget_user(resources.store, resources.checkpointer, ADA)
        assert said_by(b"ada") == []
        assert len((await resources.store.recall.search(EVE, eve.id, "eve nina words")).hits) > 0
    assert len(said_by(b"eve")) == 3


@pytest.mark.parametrize("what", ["user", "agent", "thread"])
async def test_what_others_have_stays(open_voice: OpenVoice, model: ScriptedChatModel, what: str) -> None:
    async with open_voice(model) as resources:
        store, saver = resources.store, resources.checkpointer
        await live(resources, EVE)
        alone = await everything(resources)
        subject = await ErasureSubjects(store.database).of_user(EVE)
        hers = await ErasureSubjects(store.database).left(EVE, subject)
        await live(resources, ADA)
        if what == "thread":
            await forget_thread(store, saver, ADA, "ada-nina-thread")
        if what == "agent":
            await forget_agent(store, saver, ADA, "nina")
        assert await ErasureSubjects(store.database).left(EVE, subject) == hers
        await forget_user(store, saver, ADA)
        assert await ErasureSubjects(store.database).left(EVE, subject) == hers
        assert await everything(resources) == alone
        assert [saved async for saved in saver.alist(thread_of(EVE, "eve-nina-thread"))]


async def test_an_agent_is_forgotten_but_not_the_block_that_another_holds(
    open_voice: OpenVoice, model: ScriptedChatModel
) -> None:
    async with open_voice(model) as resources:
        await live(resources, ADA)
        store = resources.store
        forgotten = await forget_agent(store, resources.checkpointer, ADA, "nina")
        assert forgotten.complete
        assert forgotten.subject.threads == ("ada-nina-thread",)
        assert forgotten.before["search index"] == 3
        assert [agent.name for agent in await store.agents.list(ADA)] == ["omar"]
        assert {block.label for block in await store.blocks.list(ADA)} == {"family", "human"}


async def test_a_thread_is_forgotten_but_not_its_agent(
    open_voice: OpenVoice, model: ScriptedChatModel
) -> None:
    async with open_voice(model) as resources:
        await live(resources, ADA)
        store, saver = resources.store, resources.checkpointer
        forgotten = await forget_thread(store, saver, ADA, "ada-nina-thread")
        assert forgotten.complete
        assert rows(forgotten, "threads", "messages", "tool_runs", "agents") == {
            "threads": 1,
            "messages": 2,
            "tool_runs": 1,
            "agents": 0,
        }
        assert [thread.id for thread in await store.threads.list(ADA)] == ["ada-omar-thread"]
        resources.known.forget(thread_key(ADA, "ada-nina-thread"))
        await talk(resources, ADA, "nina", "ada-nina-thread", "Hello.")
    assert "ada-nina-words" not in str(model.requests[-1].messages)


async def test_nobody_can_forget_what_is_not_theirs(open_voice: OpenVoice, model: ScriptedChatModel) -> None:
    async with open_voice(model) as resources:
        await live(resources, ADA)
        store, saver = resources.store, resources.checkpointer
        before = await everything(resources)
        agent_id = (await store.agents.get(ADA, "nina")).id
        for stranger in (EVE, Actor("other", "ada")):
            with pytest.raises(NotFound):
                await forget_user(store, saver, stranger)
            with pytest.raises(AgentNotFound):
                await forget_agent(store, saver, stranger, agent_id)
            with pytest.raises(ThreadNotFound):
                await forget_thread(store, saver, stranger, "ada-nina-thread")
        assert await everything(resources) == before
        assert [saved async for saved in saver.alist(thread_of(ADA, "ada-nina-thread"))]


async def test_a_forgotten_user_may_come_back(open_voice: OpenVoice, model: ScriptedChatModel) -> None:
    async with open_voice(model) as resources:
        await live(resources, ADA)
        await forget_user(resources.store, resources.checkpointer, ADA)
        for thread_id in ("ada-nina-thread", "ada-omar-thread"):
            resources.known.forget(thread_key(ADA, thread_id))
        await live(resources, ADA)
        assert len(await resources.store.agents.list(ADA)) == 2
