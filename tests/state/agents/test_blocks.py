"""Blocks: versions, limits, and who holds them."""

import asyncio

import pytest
from ada import ADA

from voicegraph.state.errors import (
    AlreadyExists,
    BlockNotFound,
    BlockTooLong,
    InvalidInput,
    StaleVersion,
    VoicegraphError,
)
from voicegraph.state.store import Store


async def test_every_text_of_a_block_is_in_its_history(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Nobody.")
    await store.blocks.write(ADA, block.id, "Ada.")
    newest = await store.blocks.write(ADA, block.id, "Ada Lovelace.", changed_by="memory agent")
    history = await store.blocks.history(ADA, block.id)
    assert [(version.version, version.value, version.changed_by) for version in history] == [
        (1, "Nobody.", "user"),
        (2, "Ada.", "user"),
        (3, "Ada Lovelace.", "memory agent"),
    ]
    assert newest == await store.blocks.get(ADA, block.id)
    assert (newest.version, newest.updated_at) == (3, history[-1].changed_at)


async def test_the_blocks_of_a_new_agent_have_their_first_version(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={"human": "Nobody."})
    (block,) = await store.blocks.of_agent(ADA, agent.id)
    assert [version.value for version in await store.blocks.history(ADA, block.id)] == ["Nobody."]


async def test_the_same_text_makes_no_version(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Ada.")
    assert await store.blocks.write(ADA, block.id, "Ada.") == block
    assert len(await store.blocks.history(ADA, block.id)) == 1


async def test_a_write_that_expects_an_older_version_is_refused(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Nobody.")
    await store.blocks.write(ADA, block.id, "Ada.", expected_version=1)
    with pytest.raises(StaleVersion, match="is at version 2, not 1: read it again"):
        await store.blocks.write(ADA, block.id, "Bob.", expected_version=1)
    assert (await store.blocks.get(ADA, block.id)).value == "Ada."


async def test_of_writers_that_expect_the_same_version_one_wins(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Nobody.")
    outcomes = await asyncio.gather(
        *(store.blocks.write(ADA, block.id, f"Text {n}", expected_version=1) for n in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, StaleVersion) for outcome in outcomes) == 4
    assert len(await store.blocks.history(ADA, block.id)) == 2


async def test_a_text_over_the_limit_is_refused_with_limit_and_size(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Ada.", limit=10)
    with pytest.raises(BlockTooLong, match="at most 10 characters, the new text has 11"):
        await store.blocks.write(ADA, block.id, "x" * 11)
    with pytest.raises(BlockTooLong):
        await store.blocks.create(ADA, "human", "x" * 11, limit=10)
    assert (await store.blocks.write(ADA, block.id, "😀" * 10)).version == 2


@pytest.mark.parametrize(("label", "limit"), [("", 10), ("a\nb", 10), ("human", 0)])
async def test_a_label_or_limit_that_cannot_be_used_is_refused(store: Store, label: str, limit: int) -> None:
    with pytest.raises(InvalidInput):
        await store.blocks.create(ADA, label, "", limit=limit)


async def test_a_block_can_be_shared_by_agents(store: Store) -> None:
    one, other = [await store.agents.create(ADA, name, blocks={}) for name in ("nina", "omar")]
    block = await store.blocks.create(ADA, "human", "Nobody.")
    for agent in (one, other):
        await store.blocks.attach(ADA, agent.id, block.id)
    written = await store.blocks.write(ADA, block.id, "Ada.")
    assert await store.blocks.of_agent(ADA, one.id) == (written,)
    assert await store.blocks.of_agent(ADA, other.id) == (written,)


async def test_attaching_twice_changes_nothing(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={})
    block = await store.blocks.create(ADA, "human", "Ada.")
    await store.blocks.attach(ADA, agent.id, block.id)
    await store.blocks.attach(ADA, agent.id, block.id)
    assert await store.blocks.of_agent(ADA, agent.id) == (block,)


async def test_an_agent_holds_a_label_once(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={"human": "Ada."})
    block = await store.blocks.create(ADA, "human", "Bob.")
    with pytest.raises(AlreadyExists, match="already has a block 'human'"):
        await store.blocks.attach(ADA, agent.id, block.id)


async def test_a_detached_block_stays_with_its_user(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={"human": "Ada."})
    (block,) = await store.blocks.of_agent(ADA, agent.id)
    await store.blocks.detach(ADA, agent.id, block.id)
    assert await store.blocks.of_agent(ADA, agent.id) == ()
    assert await store.blocks.list(ADA) == (block,)
    with pytest.raises(BlockNotFound):
        await store.blocks.detach(ADA, agent.id, block.id)


async def test_a_deleted_block_is_gone_from_its_agents(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={"human": "Ada."})
    (block,) = await store.blocks.of_agent(ADA, agent.id)
    await store.blocks.delete(ADA, block.id)
    assert await store.blocks.of_agent(ADA, agent.id) == ()
    for look in (store.blocks.get, store.blocks.history, store.blocks.delete):
        with pytest.raises(VoicegraphError, match="no block"):
            await look(ADA, block.id)


async def test_a_block_can_be_made_for_an_agent_at_once(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={"human": "Ada."})
    block = await store.blocks.create(ADA, "goals", "None.", agent_id=agent.id)
    assert [held.label for held in await store.blocks.of_agent(ADA, agent.id)] == ["human", "goals"]
    assert await store.blocks.by_label(ADA, agent.id, "goals") == block


async def test_a_block_of_a_label_that_the_agent_holds_is_not_made(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={"human": "Ada."})
    with pytest.raises(AlreadyExists, match="already has a block 'human': detach it first"):
        await store.blocks.create(ADA, "human", "Bob.", agent_id=agent.id)
    assert len(await store.blocks.list(ADA)) == 1


async def test_an_unknown_label_is_told_with_those_that_there_are(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina", blocks={"persona": "Kind.", "human": "Ada."})
    with pytest.raises(BlockNotFound, match=r"no block 'humans' \(it has: persona, human\)"):
        await store.blocks.by_label(ADA, agent.id, "humans")


async def test_a_block_can_be_resized_down_to_its_text(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Ada.")
    resized = await store.blocks.resize(ADA, block.id, 4)
    assert (resized.limit, resized.version) == (4, 1)
    with pytest.raises(BlockTooLong, match="at most 3 characters, the new text has 4"):
        await store.blocks.resize(ADA, block.id, 3)
    with pytest.raises(InvalidInput):
        await store.blocks.resize(ADA, block.id, 0)


async def test_resizing_and_deleting_can_expect_a_version(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Nobody.")
    await store.blocks.write(ADA, block.id, "Ada.")
    with pytest.raises(StaleVersion):
        await store.blocks.resize(ADA, block.id, 10, expected_version=1)
    with pytest.raises(StaleVersion):
        await store.blocks.delete(ADA, block.id, expected_version=1)
    await store.blocks.delete(ADA, block.id, expected_version=2)
    assert await store.blocks.list(ADA) == ()


@pytest.mark.parametrize("text", ["אדה גרה בחיפה", "👩‍👩‍👧 😀", "\u202eabc", "a\r\nb\tc", "' OR 1=1 --"])
async def test_a_text_of_any_script_comes_back_as_it_was(store: Store, text: str) -> None:
    block = await store.blocks.create(ADA, "human", text)
    assert (await store.blocks.get(ADA, block.id)).value == text


async def test_a_nul_character_is_refused(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Ada.")
    with pytest.raises(InvalidInput, match="'human' contains a NUL character"):
        await store.blocks.write(ADA, block.id, "A\0da.")
    with pytest.raises(InvalidInput, match="NUL"):
        await store.blocks.create(ADA, "goals", "\0")


async def test_half_a_surrogate_pair_is_returned_as_it_is_stored(store: Store) -> None:
    block = await store.blocks.create(ADA, "human", "Nobody.")
    written = await store.blocks.write(ADA, block.id, "\ud83d!")
    assert written.value == "\ufffd!"
    assert await store.blocks.get(ADA, block.id) == written
