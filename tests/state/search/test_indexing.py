"""The search index follows the database: nothing is lost, nothing stays that was deleted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home, Say

from voicegraph.state.store import open_store


async def save(home: Home, *records: Any) -> None:
    await home.store.messages.save(ADA, home.agent.id, "call-1", records)


async def found(home: Home, query: str) -> list[str]:
    page = await home.store.recall.search(ADA, home.agent.id, query)
    return [hit.message.text for hit in page.hits]


async def test_each_message_is_indexed_once(home: Home, say: Say) -> None:
    await save(home, say("m1", "A dog."), say("m2", "A cat."))
    assert await home.store.recall.index_due(home.agent.id) == 2
    assert await home.store.recall.index_due(home.agent.id) == 0
    await save(home, say("m1", "A dog."), say("m2", "A cat."))
    assert await home.store.recall.index_due() == 0


async def test_more_messages_than_a_step_takes_are_all_indexed(home: Home, say: Say) -> None:
    await save(home, *(say(f"m{number}", f"dog {number}") for number in range(150)))
    assert await home.store.recall.index_due() == 150
    assert await found(home, "149") == ["dog 149", "dog 147", "dog 148"]


async def test_what_was_not_heard_of_a_reply_is_not_found_any_more(home: Home, say: Say) -> None:
    await save(home, say("m1", "Ask me."), say("m2", "I like dogs and elephants."))
    await home.store.recall.index_due()
    assert await found(home, "elephants") != []
    await save(home, say("m2", "I like dogs", unheard=" and elephants."))
    await home.store.recall.index_due()
    assert await found(home, "elephants") == []
    assert (await found(home, "dogs"))[0] == "I like dogs"


async def test_empty_withdrawn_and_tool_messages_are_not_found_and_are_no_neighbours(
    home: Home, say: Say
) -> None:
    hidden = [say("m2", " \n"), say("m3", "dog", status="withdrawn"), say("m4", "{dog}", tool_call_id="c1")]
    object.__setattr__(hidden[2], "role", "tool")
    await save(home, say("m1", "My dog."), *hidden, say("m5", "Rex."))
    await home.store.recall.index_due()
    page = await home.store.recall.search(ADA, home.agent.id, "dog")
    assert [hit.message.text for hit in page.hits] == ["My dog.", "Rex."]
    assert [said.text for said in page.hits[0].after] == ["Rex."]


async def test_a_withdrawn_message_is_hidden_before_the_index_knows(home: Home, say: Say) -> None:
    await save(home, say("m1", "My dog."))
    await home.store.recall.index_due()
    await save(home, say("m1", "My dog.", status="withdrawn"))
    assert await found(home, "dog") == []


async def test_a_crash_between_storing_and_indexing_loses_nothing(
    home: Home, say: Say, store_url: str
) -> None:
    await save(home, say("m1", "My dog."))
    await home.store.close()
    store = await open_store(store_url)
    assert await store.recall.index_due() == 1
    assert len((await store.recall.search(ADA, home.agent.id, "dog")).hits) == 1
    await store.close()


async def test_two_tasks_and_two_processes_that_index_at_once_index_each_message_once(
    home: Home, say: Say, store_url: str, entries: Callable[[], Awaitable[list[str]]]
) -> None:
    await save(home, *(say(f"m{number}", f"dog {number}") for number in range(100)))
    other = await open_store(store_url)
    await asyncio.gather(
        home.store.recall.index_due(), home.store.recall.index_due(home.agent.id), other.recall.index_due()
    )
    await other.close()
    assert len(await entries()) == 100
    assert await home.store.recall.index_due() == 0


@pytest.mark.parametrize("what", ["thread", "agent", "user"])
async def test_what_is_deleted_is_not_found_and_leaves_no_entry(
    home: Home, say: Say, entries: Callable[[], Awaitable[list[str]]], what: str
) -> None:
    await save(home, say("m1", "My dog Wolfgang."))
    await home.store.passages.insert(ADA, home.agent.id, "Has a dog called Wolfgang.")
    await home.store.recall.index_due()
    match what:
        case "thread":
            await home.store.threads.delete(ADA, "call-1")
            assert await found(home, "dog") == []
        case "agent":
            await home.store.agents.delete(ADA, home.agent.id)
        case _:
            await home.store.actors.delete(ADA)
    await home.store.recall.index_due()
    assert await entries() == []


async def test_a_number_that_is_given_out_again_keeps_its_entry(
    home: Home, say: Say, entries: Callable[[], Awaitable[list[str]]]
) -> None:
    await save(home, say("m1", "My dog."))
    await home.store.recall.index_due()
    await home.store.threads.delete(ADA, "call-1")
    await home.store.threads.claim(ADA, home.agent.id, "call-1")
    await save(home, say("m1", "My cat."))
    await home.store.recall.index_due()
    assert await entries() == ["My cat."]


async def test_a_cancelled_run_goes_on_at_the_next_call(home: Home, say: Say) -> None:
    await save(home, *(say(f"m{number}", f"dog {number}") for number in range(200)))
    run = asyncio.create_task(home.store.recall.index_due())
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await home.store.recall.index_due()
    assert await found(home, "199") != []
