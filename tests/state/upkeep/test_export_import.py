"""Export and import: what comes back is what was there, and nobody else's."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from voicegraph.state.agents.actors import Actor
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.errors import (
    AgentNotFound,
    BlockTooLong,
    InvalidInput,
    InvalidSetting,
    NothingToUndo,
)
from voicegraph.state.store import Store
from voicegraph.state.upkeep.export_memory import export_memory
from voicegraph.state.upkeep.importing.import_memory import Imported, import_memory
from voicegraph.state.upkeep.memory_file import MemoryFile, read_memory_file

ADA, EVE = Actor("acme", "ada"), Actor("acme", "eve")
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
NOTHING = dict.fromkeys(("agents", "blocks", "threads", "messages", "passages"), 0)


def record(id_: str, text: str, **rest: Any) -> MessageRecord:
    return MessageRecord(id=id_, turn_id="t1", role="user", text=text, created_at=NOON, **rest)


async def fill(store: Store, actor: Actor = ADA) -> None:
    """Give the actor two agents that share a block with a history, and threads that take turns."""
    nina = await store.agents.create(
        actor,
        "nina",
        system="Be kind.",
        model="openai:x",
        model_settings={"temperature": 0.5},
        tools=["memory_append"],
        time_zone="Asia/Tokyo",
        blocks={"human": "Nobody."},
    )
    omar = await store.agents.create(actor, "omar", blocks={})
    block = await store.blocks.by_label(actor, nina.id, "human")
    await store.blocks.write(actor, block.id, "אדה 👩‍👧", changed_by="agent")
    await store.blocks.undo(actor, block.id)
    await store.blocks.attach(actor, omar.id, block.id)
    await store.blocks.create(actor, "loose", "Nobody holds me.", limit=20)
    who = actor.user_id
    for thread_id in (f"{who}-1", f"{who}-2"):
        await store.threads.claim(actor, nina.id, thread_id)
    calls = [{"name": "look", "args": {"q": '"x" OR'}, "id": "c1"}]
    usage = {"input_tokens": 1}
    await store.messages.save(actor, nina.id, f"{who}-1", [record("m1", "he\0llo"), record("m2", "bye")])
    await store.messages.save(actor, nina.id, f"{who}-2", [record("m1", "x", tool_calls=calls, usage=usage)])
    await store.messages.save(actor, nina.id, f"{who}-1", [record("m3", "again")], evicted=["m1"])
    await store.passages.insert(actor, nina.id, "She likes tea.", tags=["taste"], context=f"{who}-1")


async def kept(store: Store, actor: Actor) -> Any:
    """Return all that an export tells, without ids and the time of the export."""
    exported = (await export_memory(store, actor)).model_dump(mode="json", exclude={"exported_at"})
    labels = {block["id"]: block["label"] for block in exported["blocks"]}
    for agent in exported["agents"]:
        agent["blocks"] = [labels[block_id] for block_id in agent["blocks"]]
        for thing in (*agent["passages"], *agent["threads"], agent):
            del thing["id"]
    for block in exported["blocks"]:
        del block["id"]
    return exported


async def carried(store: Store, source: Actor, target: Actor) -> Imported:
    content = (await export_memory(store, source)).to_json()
    return await import_memory(store, target, read_memory_file(content))


async def test_what_was_forgotten_comes_back_with_its_ids(store: Store) -> None:
    await fill(store)
    before = await export_memory(store, ADA)
    history = await store.messages.history(ADA, "ada-1")
    await store.actors.delete(ADA)
    done = await import_memory(store, ADA, read_memory_file(before.to_json()))
    after = await export_memory(store, ADA)
    assert after.agents == before.agents
    assert after.blocks == before.blocks
    assert done.added == {"agents": 2, "blocks": 2, "threads": 2, "messages": 4, "passages": 1}
    assert done.renamed == {}
    assert [(m.id, m.text, m.evicted_at) for m in await store.messages.history(ADA, "ada-1")] == [
        (m.id, m.text, m.evicted_at) for m in history
    ]


async def test_undo_works_on_an_imported_history(store: Store) -> None:
    await fill(store)
    await carried(store, ADA, EVE)
    block = next(block for block in await store.blocks.list(EVE) if block.label == "human")
    assert (await store.blocks.redo(EVE, block.id)).value == "אדה 👩‍👧"
    with pytest.raises(NothingToUndo):
        await store.blocks.redo(EVE, block.id)


async def test_a_file_that_is_written_part_by_part_reads_as_one_written_at_once(store: Store) -> None:
    for actor in (ADA, EVE):
        file = await export_memory(store, actor)
        assert file.to_json() == file.model_dump_json(indent=1).encode() + b"\n"
        await fill(store, actor)
    file = await export_memory(store, ADA)
    assert file.to_json() == file.model_dump_json(indent=1).encode() + b"\n"
    assert read_memory_file(file.to_json()) == file


async def test_importing_twice_adds_nothing(store: Store) -> None:
    await fill(store)
    before = await export_memory(store, ADA)
    assert (await carried(store, ADA, ADA)).added == NOTHING
    after = await export_memory(store, ADA)
    assert (after.agents, after.blocks) == (before.agents, before.blocks)


async def test_another_user_gets_a_copy_once_whose_threads_are_called_the_same(store: Store) -> None:
    await fill(store)
    hers = await export_memory(store, ADA)
    done = await carried(store, ADA, EVE)
    assert done.added == {"agents": 2, "blocks": 2, "threads": 2, "messages": 4, "passages": 1}
    assert done.renamed == {}
    assert await kept(store, EVE) == await kept(store, ADA)
    again = await carried(store, ADA, EVE)
    assert (again.added, again.renamed) == (NOTHING, {})
    after = await export_memory(store, ADA)
    assert (after.agents, after.blocks) == (hers.agents, hers.blocks)


async def test_a_copy_is_found_again_when_the_first_owner_is_gone(store: Store) -> None:
    await fill(store)
    content = (await export_memory(store, ADA)).to_json()
    await import_memory(store, EVE, read_memory_file(content))
    await store.actors.delete(ADA)
    assert (await import_memory(store, EVE, read_memory_file(content))).added == NOTHING


async def test_a_copy_and_its_source_go_their_own_ways(store: Store) -> None:
    await fill(store)
    await carried(store, ADA, EVE)
    nina = (await store.agents.get(EVE, "nina")).id
    block = await store.blocks.by_label(EVE, nina, "human")
    await store.blocks.write(EVE, block.id, "Eve.")
    [ada] = [block for block in await store.blocks.list(ADA) if block.label == "human"]
    assert ada.value == "Nobody."
    nina = (await store.agents.get(EVE, "nina")).id
    await store.messages.save(EVE, nina, "ada-1", [record("m9", "Eve speaks.")])
    assert "Eve speaks." not in [said.text for said in await store.messages.history(ADA, "ada-1")]


async def test_an_agent_whose_name_is_taken_gets_another(store: Store) -> None:
    await fill(store)
    await store.agents.create(EVE, "nina")
    await store.agents.create(EVE, "nina-2")
    done = await carried(store, ADA, EVE)
    assert done.renamed["nina"] == "nina-3"
    assert {agent.name for agent in await store.agents.list(EVE)} == {"nina", "nina-2", "nina-3", "omar"}


async def test_what_is_missing_is_added_and_what_is_there_stays(store: Store) -> None:
    await fill(store)
    content = (await export_memory(store, ADA)).to_json()
    nina = await store.agents.get(ADA, "nina")
    block = await store.blocks.by_label(ADA, nina.id, "human")
    await store.blocks.write(ADA, block.id, "Newer.")
    await store.threads.delete(ADA, "ada-2")
    await store.messages.save(ADA, nina.id, "ada-1", [record("m4", "newer")])
    done = await import_memory(store, ADA, read_memory_file(content))
    assert done.added == {**NOTHING, "threads": 1, "messages": 1}
    assert (await store.blocks.get(ADA, block.id)).value == "Newer."
    assert [message.text for message in await store.messages.history(ADA, "ada-1")][-1] == "newer"
    [message] = await store.messages.history(ADA, "ada-2")
    assert (message.text, message.usage) == ("x", {"input_tokens": 1})


async def test_a_block_that_was_taken_from_an_agent_stays_taken(store: Store) -> None:
    await fill(store)
    content = (await export_memory(store, ADA)).to_json()
    omar = await store.agents.get(ADA, "omar")
    block = await store.blocks.by_label(ADA, omar.id, "human")
    await store.blocks.detach(ADA, omar.id, block.id)
    await import_memory(store, ADA, read_memory_file(content))
    assert await store.blocks.of_agent(ADA, omar.id) == ()


async def test_a_deleted_block_comes_back_to_agents_without_one_of_its_label(store: Store) -> None:
    await fill(store)
    content = (await export_memory(store, ADA)).to_json()
    nina, omar = [(await store.agents.get(ADA, name)).id for name in ("nina", "omar")]
    block = await store.blocks.by_label(ADA, nina, "human")
    await store.blocks.delete(ADA, block.id)
    newer = await store.blocks.create(ADA, "human", "Newer.", agent_id=nina)
    await import_memory(store, ADA, read_memory_file(content))
    assert await store.blocks.of_agent(ADA, nina) == (newer,)
    assert [held.id for held in await store.blocks.of_agent(ADA, omar)] == [block.id]


async def test_new_messages_are_numbered_behind_imported_ones(store: Store) -> None:
    await fill(store)
    await carried(store, ADA, EVE)
    nina = await store.agents.get(EVE, "nina")
    await store.threads.claim(EVE, nina.id, "eve-new")
    await store.messages.save(EVE, nina.id, "eve-new", [record("m9", "hello")])
    [made] = await store.passages.insert(EVE, nina.id, "More.")
    assert [passage.text for passage in await store.passages.list(EVE, nina.id)][-1] == made.text
    [message] = await store.messages.history(EVE, "eve-new")
    assert message.number >> 32 == nina.number


async def test_one_agent_is_exported_with_the_blocks_that_it_holds(store: Store) -> None:
    await fill(store)
    file = await export_memory(store, ADA, agent="omar")
    assert [agent.name for agent in file.agents] == ["omar"]
    assert [block.label for block in file.blocks] == ["human"]


async def test_nothing_of_another_user_is_exported(store: Store) -> None:
    await fill(store)
    await fill(store, EVE)
    agent_id = (await store.agents.get(ADA, "nina")).id
    for stranger in (EVE, Actor("other", "ada"), Actor("nobody", "nobody")):
        content = (await export_memory(store, stranger)).to_json().decode()
        assert re.search(r"\bada\b", content) is None  # Three digits of an id may be the same.
        assert agent_id not in content
        with pytest.raises(AgentNotFound):
            await export_memory(store, stranger, agent=agent_id)


Change = Callable[[Any], None]


def twice(file: Any, place: str) -> None:
    file["agents"][0][place] *= 2


BAD: dict[str, tuple[Change, type[Exception], str]] = {
    "a label twice": (
        lambda f: f["agents"][0].update(blocks=[block["id"] for block in f["blocks"]]),
        InvalidInput,
        "block label of agent 'nina' 'human' occurs twice",
    ),
    "a thread twice": (lambda f: twice(f, "threads"), InvalidInput, "thread id 'ada-1' occurs twice"),
    "a passage twice": (lambda f: twice(f, "passages"), InvalidInput, "occurs twice"),
    "a block that is not there": (lambda f: f.update(blocks=[]), InvalidInput, "that is not in the file"),
    "a gap in a history": (
        lambda f: f["blocks"][0]["versions"].pop(1),
        InvalidInput,
        "versions of block 'human' must be 1, 2",
    ),
    "a text over its limit": (lambda f: f["blocks"][0].update(limit=3), BlockTooLong, "at most 3 characters"),
    "NUL in a block": (
        lambda f: f["blocks"][0]["versions"][0].update(value="\0"),
        InvalidInput,
        "NUL",
    ),
    "a passage of 10 MB": (
        lambda f: f["agents"][0]["passages"][0].update(text="x" * 10_000_000),
        InvalidInput,
        "has 10000000 characters, the limit is 1000000",
    ),
    "no name": (lambda f: f["agents"][0].update(name=" "), InvalidInput, "agent name is empty"),
    "an unknown time zone": (lambda f: f["agents"][0].update(time_zone="Mars"), InvalidSetting, "Mars"),
}


@pytest.mark.parametrize(("change", "error", "words"), BAD.values(), ids=BAD)
async def test_a_file_that_does_not_hold_together_is_refused_whole(
    store: Store, change: Change, error: type[Exception], words: str
) -> None:
    await fill(store)
    file = json.loads((await export_memory(store, ADA)).to_json())
    file["blocks"][1]["label"] = "human"
    change(file)
    await store.actors.ensure(EVE)
    with pytest.raises(error, match=words):
        await import_memory(store, EVE, MemoryFile.model_validate(file))
    assert (await store.agents.list(EVE), await store.blocks.list(EVE)) == ((), ())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a memory file"),
        (b"\x00\xff", "not a memory file"),
        (b"[1]", "not a memory file"),
        (b'{"a": 1}', "not a memory file: format: Field required"),
        (b'{"format": "other", "version": 1}', "its format is not 'voicegraph.memory'"),
        (b'{"format": "voicegraph.memory", "version": 2}', "has version 2, this voicegraph reads version 1"),
        (b'{"format": "voicegraph.memory", "version": 1, "agents": []}', "exported_at: Field required"),
        (
            b'{"format": "voicegraph.memory", "version": 1, "exported_at": "2026-03-01T12:00:00", '
            b'"agents": [], "blocks": []}',
            "exported_at: Input should have timezone info",
        ),
    ],
)
def test_what_is_no_memory_file_is_told_in_one_line(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_memory_file(content)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
