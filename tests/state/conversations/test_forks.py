"""Forks in the database: what is copied, and what stays the first thread's own."""

from datetime import timedelta

import pytest
from ada import ADA
from ada_at_home import Home

from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.conversations.tool_runs import ToolRun
from voicegraph.state.errors import ThreadTaken
from voicegraph.state.tables.columns import utc_now


def said(number: int, text: str = "") -> MessageRecord:
    return MessageRecord(id=f"m{number}", turn_id="t1", role="user", text=text or f"word {number}")


async def test_all_rows_up_to_the_end_of_the_window_are_copied_in_order(home: Home) -> None:
    store, agent = home.store, home.agent
    await store.messages.save(ADA, agent.id, "call-1", [said(n) for n in range(6)], evicted=["m0", "m1"])
    await store.forks.make(ADA, "call-1", "call-2", [said(2), said(3)])
    copies = await store.messages.history(ADA, "call-2")
    assert [(copy.id, copy.evicted_at is None) for copy in copies] == [
        ("m0", False),
        ("m1", False),
        ("m2", True),
        ("m3", True),
    ]
    originals = await store.messages.history(ADA, "call-1")
    assert not {row.number for row in copies} & {row.number for row in originals}


async def test_the_window_wins_over_what_was_stored_since_and_its_end_need_not_be_stored(home: Home) -> None:
    store, agent = home.store, home.agent
    await store.messages.save(ADA, agent.id, "call-1", [said(1, "cut"), said(2)])
    await store.forks.make(ADA, "call-1", "call-2", [said(1, "whole"), said(7, "not stored")])
    assert [m.text for m in await store.messages.history(ADA, "call-2")] == ["whole", "not stored"]
    assert [m.text for m in await store.messages.history(ADA, "call-1")] == ["cut", "word 2"]


async def test_what_left_the_first_window_is_not_consolidated_twice(home: Home) -> None:
    store, agent = home.store, home.agent
    await store.messages.save(ADA, agent.id, "call-1", [said(1), said(2)], evicted=["m1"])
    await store.forks.make(ADA, "call-1", "call-2", [said(2)])
    assert [row.thread_id for row in await store.due.of_agent(ADA, agent.id)] == ["call-1"]


async def test_tool_runs_go_to_the_new_thread(home: Home) -> None:
    store, now = home.store, utc_now()
    run = ToolRun(
        thread_id="call-2",
        message_id="m1",
        tool_call_id="c1",
        tool="book",
        status="finished",
        outcome="success",
        result="Booked.",
        started_at=now,
        finished_at=now,
    )
    await store.forks.make(ADA, "call-1", "call-2", [], tool_runs=[run])
    assert (await store.tool_runs.of_message(ADA, "call-2", "m1"))["c1"].result == "Booked."
    assert await store.tool_runs.of_message(ADA, "call-1", "m1") == {}


async def test_memory_as_of_copies_texts_passages_and_shared_blocks(home: Home) -> None:
    store, agent = home.store, home.agent
    [persona, human] = await store.blocks.of_agent(ADA, agent.id)
    other = await store.agents.create(ADA, "other", blocks={})
    await store.blocks.attach(ADA, other.id, human.id)
    [old] = await store.passages.insert(ADA, agent.id, "She likes tea.")
    moment = utc_now()
    later = await store.blocks.create(ADA, "goals", "new", agent_id=agent.id)
    await store.blocks.write(ADA, human.id, "changed")
    future = moment + timedelta(seconds=1)
    await store.passages.insert(ADA, agent.id, "She likes coffee.", created_at=future)

    name = await store.forks.make(ADA, "call-1", "call-2", [], memory_as_of=moment)
    copy = await store.agents.memory(ADA, name)
    assert {block.label: block.value for block in copy.blocks} == {
        persona.label: persona.value,
        human.label: human.value,
    }
    assert not {block.id for block in copy.blocks} & {persona.id, human.id, later.id}
    assert [p.text for p in await store.passages.list(ADA, copy.agent.id)] == [old.text]
    assert (await store.blocks.of_agent(ADA, other.id))[0].value == "changed"


async def test_a_fork_under_a_taken_id_leaves_nothing(home: Home) -> None:
    store = home.store
    await store.threads.claim(ADA, home.agent.id, "call-2")
    for taken in ("call-1", "call-2"):
        with pytest.raises(ThreadTaken):
            await store.forks.make(ADA, "call-1", taken, [said(1)], memory_as_of=utc_now())
    assert await store.messages.count(ADA, "call-2") == 0
    assert len(await store.agents.list(ADA)) == 1
