"""Agents and their memory."""

import asyncio
from datetime import UTC
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home, Say
from sqlalchemy import func, select

from voicegraph.state.errors import (
    AgentNotFound,
    AlreadyExists,
    BlockTooLong,
    InvalidInput,
    InvalidSetting,
)
from voicegraph.state.store import Store
from voicegraph.state.tables.tables import Base


async def rows(store: Store) -> dict[str, int]:
    """Return the number of rows of each table that is not empty."""
    counts: dict[str, int] = {}
    for table in Base.metadata.sorted_tables:
        query = select(func.count()).select_from(table)
        counts[table.name] = await store.database.read(
            lambda session, query=query: session.execute(query).scalar_one()
        )
    return {name: count for name, count in counts.items() if count}


async def test_an_agent_is_found_by_name_and_by_id(store: Store) -> None:
    agent = await store.agents.create(
        ADA, "nina", system="Be kind.", model="openai:x", tools=["a.b:c"], time_zone="Europe/Paris"
    )
    assert await store.agents.get(ADA, "nina") == agent
    assert await store.agents.get(ADA, agent.id) == agent
    assert agent.created_at.tzinfo is UTC
    assert (agent.number, agent.version, agent.tools) == (1, 1, ("a.b:c",))


async def test_an_agent_is_made_with_persona_and_human(store: Store) -> None:
    await store.agents.create(ADA, "nina")
    memory = await store.agents.memory(ADA, "nina")
    assert [(block.label, block.version) for block in memory.blocks] == [("persona", 1), ("human", 1)]
    assert all(block.value for block in memory.blocks)


async def test_an_agent_is_made_with_the_blocks_that_are_given_in_their_order(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={"z": "last letter", "a": "first letter"})
    blocks = await store.blocks.of_agent(ADA, agent.id)
    assert [(block.label, block.value) for block in blocks] == [("z", "last letter"), ("a", "first letter")]


async def test_an_agent_can_be_made_without_blocks(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={})
    memory = await store.agents.memory(ADA, "nina")
    assert (memory.agent, memory.blocks) == (agent, ())
    assert (await store.agents.counts(ADA, agent.id)).edited_at is None


async def test_a_taken_name_is_refused_and_nothing_is_left_behind(store: Store) -> None:
    await store.agents.create(ADA, "nina")
    before = await rows(store)
    with pytest.raises(AlreadyExists, match="'nina' exists already"):
        await store.agents.create(ADA, "nina")
    assert await rows(store) == before


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe", "Europe/Paris\0"])
async def test_an_unknown_time_zone_is_refused(store: Store, zone: str) -> None:
    with pytest.raises(InvalidSetting, match="unknown time zone"):
        await store.agents.create(ADA, "nina", time_zone=zone)
    assert await rows(store) == {}


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\nb", "a\0", "\ud800", "agent-" + "0" * 32])
async def test_a_name_that_cannot_be_used_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidInput):
        await store.agents.create(ADA, name)
    assert await rows(store) == {}


@pytest.mark.parametrize("settings", [{"x": object()}, {"x": float("nan")}])
async def test_settings_that_json_cannot_hold_are_refused(store: Store, settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match="cannot be stored as JSON"):
        await store.agents.create(ADA, "nina", model_settings=settings)


async def test_a_block_over_the_limit_makes_no_agent(store: Store) -> None:
    with pytest.raises(BlockTooLong, match="5001"):
        await store.agents.create(ADA, "nina", blocks={"persona": "fine", "human": "x" * 5001})
    assert await rows(store) == {}


async def test_the_default_agent_is_made_once_by_all_who_ask_at_once(store: Store) -> None:
    agents = await asyncio.gather(*(store.agents.ensure_default(ADA) for _ in range(10)))
    assert len({agent.id for agent in agents}) == 1
    assert [agent.name for agent in await store.agents.list(ADA)] == ["default"]


async def test_memory_is_read_by_one_query(store: Store, statements: list[str]) -> None:
    await store.agents.create(ADA, "nina")
    statements.clear()
    await store.agents.memory(ADA, "nina")
    assert len(statements) == 1


async def test_the_stamp_changes_if_and_only_if_the_memory_did(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina")
    seen = [(memory := await store.agents.memory(ADA, "nina")).stamp]
    assert (await store.agents.memory(ADA, agent.id)).stamp == seen[0]
    human = memory.blocks[1]
    other = await store.blocks.create(ADA, "goals", "none")
    assert (await store.agents.memory(ADA, "nina")).stamp == seen[0]
    for change in (
        store.blocks.write(ADA, human.id, "Her name is Ada."),
        store.blocks.attach(ADA, agent.id, other.id),
        store.blocks.write(ADA, other.id, "one"),
        store.blocks.detach(ADA, agent.id, human.id),
        store.blocks.attach(ADA, agent.id, human.id),
    ):
        await change
        seen.append((await store.agents.memory(ADA, "nina")).stamp)
    assert len(set(seen)) == len(seen)


async def test_counts_tell_how_much_is_remembered(home: Home, say: Say) -> None:
    store, agent = home.store, home.agent
    await store.messages.save(ADA, agent.id, "call-1", [say("m1"), say("m2")])
    await store.passages.insert(ADA, agent.id, "She likes tea.")
    block = (await store.blocks.of_agent(ADA, agent.id))[1]
    written = await store.blocks.write(ADA, block.id, "Her name is Ada.")
    counts = await store.agents.counts(ADA, agent.id)
    assert (counts.messages, counts.passages, counts.edited_at) == (2, 1, written.updated_at)


async def test_deleting_an_agent_leaves_only_what_others_hold(home: Home, say: Say) -> None:
    store, agent = home.store, home.agent
    other = await store.agents.create(ADA, "omar", blocks={"persona": "Omar."})
    persona, human = await store.blocks.of_agent(ADA, agent.id)
    await store.blocks.attach(ADA, other.id, human.id)
    await store.messages.save(ADA, agent.id, "call-1", [say("m1")])
    await store.passages.insert(ADA, agent.id, "She likes tea.")
    await store.tool_runs.begin(ADA, "call-1", "m1", "c1", "clock")
    await store.agents.delete(ADA, "nina")
    # The numbers of a message and a passage, until the index has run that SQLite has in another file.
    removals = {"index_removals": 2} if store.database.location.sqlite else {}
    assert await rows(store) == {
        "organizations": 1,
        "users": 1,
        "agents": 1,
        "blocks": 2,
        "agents_blocks": 2,
        "block_versions": 2,
        **removals,
    }
    assert human in await store.blocks.of_agent(ADA, other.id)
    assert persona not in await store.blocks.list(ADA)


async def test_the_number_of_a_deleted_agent_is_not_given_out_again(store: Store) -> None:
    first = await store.agents.create(ADA, "nina")
    await store.agents.delete(ADA, "nina")
    second = await store.agents.create(ADA, "nina")
    assert second.number > first.number


async def test_an_unknown_agent_is_not_found(store: Store) -> None:
    for look in (store.agents.get, store.agents.memory, store.agents.counts, store.agents.delete):
        with pytest.raises(AgentNotFound, match="no agent 'nobody'"):
            await look(ADA, "nobody")
