"""An import may be broken off at any transaction: nothing half is seen, and the next one completes it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from memory_files import a_block, a_file, an_agent, large_file
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from voicegraph.state.agents.actors import Actor
from voicegraph.state.conversations.due_messages import agents_with_due_messages
from voicegraph.state.errors import AgentNotFound, AlreadyExists, NotFound, ThreadTaken
from voicegraph.state.store import Store
from voicegraph.state.tables.tables import Base
from voicegraph.state.upkeep import export_rows, portions
from voicegraph.state.upkeep.erasure_subject import ErasureSubjects
from voicegraph.state.upkeep.export_memory import export_memory
from voicegraph.state.upkeep.importing import import_agents, import_blocks, staged_rows
from voicegraph.state.upkeep.importing.import_memory import import_memory
from voicegraph.state.upkeep.memory_file import FileThread, MemoryFile

ADA, EVE = Actor("acme", "ada"), Actor("acme", "eve")
ROWS = 10
FILE = large_file(ROWS)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make portions small, so that little takes many of them."""
    for module in (portions, import_agents, import_blocks, staged_rows, export_rows):
        monkeypatch.setattr(module, "MOST_ROWS", ROWS)


class BrokenOff(Exception):
    """Raised instead of a commit."""


BreakAt = Callable[[int], None]


@pytest.fixture
def break_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> BreakAt:
    """How to roll the transaction of this number from now on back, and refuse all later ones; 0 for none."""
    state = {"left": 0}

    write = store.database.write

    def broken(function: Callable[[Session], Any]) -> Awaitable[Any]:
        def call(session: Session) -> Any:
            written = function(session)
            state["left"] -= 1
            if state["left"] == 0:
                state["left"] = 1
                raise BrokenOff
            return written

        return write(call)

    def at(number: int) -> None:
        state["left"] = number

    monkeypatch.setattr(store.database, "write", broken)
    return at


async def broken_off(store: Store, break_at: BreakAt, number: int, file: MemoryFile = FILE) -> bool:
    """Import until the transaction of this number; return whether there were as many."""
    break_at(number)
    try:
        await import_memory(store, ADA, file)
    except BrokenOff:
        return True
    finally:
        break_at(0)
    return False


async def total(store: Store) -> dict[str, int]:
    queries = {
        table.name: select(func.count()).select_from(table)
        for table in Base.metadata.sorted_tables
        if table.name != "index_removals"
    }
    return await store.database.read(
        lambda session: {name: session.execute(query).scalar_one() for name, query in queries.items()}
    )


async def assert_whole(store: Store, file: MemoryFile = FILE) -> None:
    """Look that whatever can be seen is as it stands in the file."""
    seen = await export_memory(store, ADA)
    assert set(seen.blocks) <= set(file.blocks)
    agents = {agent.id: agent for agent in file.agents}
    assert [agent for agent in seen.agents if agent != agents[agent.id]] == []
    threads = {thread.id: thread for agent in file.agents for thread in agent.threads}
    for thread in await store.threads.list(ADA, limit=1_000):
        assert thread.messages == len(threads[thread.id].messages)


async def test_an_import_broken_off_at_any_transaction_is_completed_by_the_next(
    store: Store, break_at: BreakAt
) -> None:
    await import_memory(store, ADA, FILE)
    whole = await total(store)
    number, step = 0, 1 if store.database.location.sqlite else 3  # The code is the same on both.
    while True:
        await store.actors.delete(ADA)
        number += step
        if not await broken_off(store, break_at, number):
            break
        if number > 1:
            await assert_whole(store)
        await import_memory(store, ADA, FILE)
        after = await export_memory(store, ADA)
        assert (after.agents, after.blocks) == (FILE.agents, FILE.blocks), number
        assert await total(store) == whole, number
    assert number > 10


async def test_a_completing_import_may_be_broken_off_too(store: Store, break_at: BreakAt) -> None:
    assert await broken_off(store, break_at, 18)
    for number in range(1, 6):
        assert await broken_off(store, break_at, number)
        await assert_whole(store)
    await import_memory(store, ADA, FILE)
    after = await export_memory(store, ADA)
    assert (after.agents, after.blocks) == (FILE.agents, FILE.blocks)


async def test_what_is_missing_of_agents_that_are_there_comes_back_after_any_break(
    store: Store, break_at: BreakAt
) -> None:
    long = a_block("long", "notes", versions=ROWS + 1)
    lea = an_agent("lea", blocks=[long], threads=2, messages=2 * ROWS + 1)
    agents = [lea, *(an_agent(f"a{number}", blocks=[long]) for number in range(ROWS))]
    file = a_file(agents, [long])
    await import_memory(store, ADA, file)
    whole = [said_in(thread) for thread in lea.threads]
    number, more = 0, True
    while more:
        number += 1
        await store.blocks.delete(ADA, long.id)
        for thread in lea.threads:
            await store.threads.delete(ADA, thread.id)
        more = await broken_off(store, break_at, number, file)
        seen = await export_memory(store, ADA)
        assert [thread.id for thread in seen.agents[0].threads if said_in(thread) not in whole] == []
        assert [block for block in seen.blocks if block != long] == []
        await import_memory(store, ADA, file)
        for agent in agents:
            assert [block.id for block in await store.blocks.of_agent(ADA, agent.id)] == [long.id]
        after = await export_memory(store, ADA)
        assert [said_in(thread) for thread in after.agents[0].threads] == whole
    assert number > 5


def said_in(thread: FileThread) -> list[str]:
    return [message.id for message in thread.messages]


@pytest.fixture
async def half(store: Store, break_at: BreakAt) -> Store:
    """The store after an import that was broken off when the large agent had some of its messages."""
    lea = an_agent("lea", blocks=[], threads=2, messages=3 * ROWS, passages=1)
    assert await broken_off(store, break_at, 6, a_file([lea]))
    assert (await total(store))["messages"] == 2 * ROWS
    return store


async def test_half_an_agent_is_neither_listed_nor_served_nor_found(half: Store) -> None:
    lea = FILE.agents[1]
    assert await half.agents.list(ADA) == ()
    assert await half.threads.list(ADA) == ()
    assert await half.threads.agents_of(ADA, [lea.threads[0].id]) == {}
    for name in (lea.name, lea.id):
        with pytest.raises(AgentNotFound):
            await half.agents.memory(ADA, name)
        with pytest.raises(AgentNotFound):
            await half.due.of_agent(ADA, name)
    with pytest.raises(NotFound):
        await half.messages.history(ADA, lea.threads[0].id)
    await half.recall.index_due()
    with pytest.raises(AgentNotFound):
        await half.recall.search(ADA, lea.id, "tea")
    assert await agents_with_due_messages(half.database) == ()


async def test_the_thread_of_half_an_agent_cannot_be_begun_anew(half: Store) -> None:
    nina = await half.agents.create(ADA, "nina")
    with pytest.raises(ThreadTaken):
        await half.threads.claim(ADA, nina.id, FILE.agents[1].threads[0].id)


async def test_half_an_agent_goes_with_its_user(half: Store) -> None:
    subject = await ErasureSubjects(half.database).of_user(ADA)
    assert FILE.agents[1].id in subject.agents
    left = await ErasureSubjects(half.database).left(ADA, subject)
    assert left["messages"] == 2 * ROWS
    assert left["users"] == 2
    await half.actors.delete(ADA)
    assert sum((await total(half)).values()) == 0


async def test_half_an_agent_of_one_user_is_no_obstacle_for_another(half: Store) -> None:
    done = await import_memory(half, EVE, FILE)
    assert done.renamed == {}
    assert [agent.name for agent in await half.agents.list(EVE)] == ["ann", "lea", "zoe"]


async def test_half_a_thread_of_an_agent_is_not_found_or_consolidated(
    store: Store, break_at: BreakAt
) -> None:
    await import_memory(store, ADA, a_file([an_agent("lea")]))
    lea = an_agent("lea", threads=1, messages=3 * ROWS)
    assert await broken_off(store, break_at, 6, a_file([lea]))
    assert (await total(store))["messages"] == 2 * ROWS
    await store.recall.index_due()
    assert (await store.recall.search(ADA, lea.id, "tea")).hits == ()
    assert (await store.recall.search(ADA, lea.id, "", order="newest")).hits == ()
    assert await store.due.of_agent(ADA, lea.id) == ()
    await import_memory(store, ADA, a_file([lea]))
    await store.recall.index_due()
    assert len((await store.recall.search(ADA, lea.id, "tea")).hits) > 0
    assert len(await store.due.of_agent(ADA, lea.id)) > 0


async def test_a_smaller_file_of_the_same_agent_takes_the_place_of_half_a_large_one(half: Store) -> None:
    small = a_file([an_agent("lea", threads=2, messages=5, passages=1)])
    await import_memory(half, ADA, small)
    assert (await export_memory(half, ADA)).agents == small.agents
    assert (await total(half))["messages"] == 5


async def test_an_import_whose_rows_another_one_removes_ends_with_an_error(
    store: Store, break_at: BreakAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    lea = an_agent("lea", threads=2, messages=3 * ROWS)
    write, writes = store.database.write, 0

    async def removed_first(function: Callable[[Session], Any]) -> Any:
        nonlocal writes
        writes += 1
        if writes == 5:
            await import_memory(store, ADA, a_file([lea]))
        return await write(function)

    monkeypatch.setattr(store.database, "write", removed_first)
    with pytest.raises(AlreadyExists, match="import the file again"):
        await import_memory(store, ADA, a_file([lea]))
    assert (await export_memory(store, ADA)).agents == (lea,)
