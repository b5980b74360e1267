"""Every function of every repository sees and changes only what belongs to its actor."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home
from sqlalchemy import select

from voicegraph.state.agents.actors import Actor
from voicegraph.state.agents.agents import AgentMemory
from voicegraph.state.agents.blocks import Block
from voicegraph.state.agents.thread_keys import thread_key
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.database.paging import PageRequest, Slice
from voicegraph.state.errors import InvalidInput, NotFound, ThreadTaken
from voicegraph.state.store import Store
from voicegraph.state.tables.tables import Base
from voicegraph.state.upkeep.erasure_subject import ErasureSubject, ErasureSubjects

STRANGERS = [Actor("acme", "bob"), Actor("other", "ada"), Actor("other", "bob"), Actor("nobody", "nobody")]


@dataclass(frozen=True, kw_only=True)
class World:
    """What belongs to Ada, and ids of it."""

    store: Store
    agent: str
    block: str
    passage: str
    loose: str
    undone: str
    key: str
    subject: ErasureSubject


@pytest.fixture
async def world(home: Home) -> World:
    store, agent = home.store, home.agent
    record = MessageRecord(id="m1", turn_id="t1", role="user", text="hello")
    await store.messages.save(ADA, agent.id, "call-1", [record])
    await store.tool_runs.begin(ADA, "call-1", "m1", "c1", "clock")
    [passage] = await store.passages.insert(ADA, agent.id, "She likes tea.")
    loose = await store.blocks.create(ADA, "goals", "none")
    undone = await store.blocks.create(ADA, "plans", "none")
    for changed in (loose, undone):
        await store.blocks.write(ADA, changed.id, "some")
    await store.blocks.undo(ADA, undone.id)
    for stranger in STRANGERS[:3]:
        await store.agents.create(stranger, "nina" if stranger.user_id == "ada" else "robert")
    block = (await store.blocks.of_agent(ADA, agent.id))[0]
    return World(
        store=store,
        agent=agent.id,
        block=block.id,
        passage=passage.id,
        loose=loose.id,
        undone=undone.id,
        key=(await store.keys.create(ADA, "phone"))[0].id,
        subject=await ErasureSubjects(store.database).of_user(ADA),
    )


Attempt = Callable[[World, Actor], Awaitable[object]]
RECORD = MessageRecord(id="m1", turn_id="t1", role="user", text="changed")

REFUSED: dict[str, Attempt] = {
    "keys.revoke": lambda w, a: w.store.keys.revoke(a, w.key),
    "agents.get": lambda w, a: w.store.agents.get(a, w.agent),
    "agents.update": lambda w, a: w.store.agents.update(a, w.agent, {"model": "openai:x"}),
    "agents.memory": lambda w, a: w.store.agents.memory(a, w.agent),
    "agents.counts": lambda w, a: w.store.agents.counts(a, w.agent),
    "agents.delete": lambda w, a: w.store.agents.delete(a, w.agent),
    "blocks.get": lambda w, a: w.store.blocks.get(a, w.block),
    "blocks.of_agent": lambda w, a: w.store.blocks.of_agent(a, w.agent),
    "blocks.by_label": lambda w, a: w.store.blocks.by_label(a, w.agent, "human"),
    "blocks.resize": lambda w, a: w.store.blocks.resize(a, w.block, 9000),
    "blocks.undo": lambda w, a: w.store.blocks.undo(a, w.loose),
    "blocks.redo": lambda w, a: w.store.blocks.redo(a, w.undone),
    "blocks.as_of": lambda w, a: w.store.blocks.as_of(a, w.block, 1),
    "blocks.write": lambda w, a: w.store.blocks.write(a, w.block, "changed"),
    "blocks.history": lambda w, a: w.store.blocks.history(a, w.block),
    "blocks.history_page": lambda w, a: w.store.blocks.history_page(a, w.block, PageRequest()),
    "blocks.attach": lambda w, a: w.store.blocks.attach(a, w.agent, w.loose),
    "blocks.detach": lambda w, a: w.store.blocks.detach(a, w.agent, w.block),
    "blocks.delete": lambda w, a: w.store.blocks.delete(a, w.block),
    "threads.claim": lambda w, a: w.store.threads.claim(a, w.agent, "call-1"),
    "threads.get": lambda w, a: w.store.threads.get(a, "call-1"),
    "threads.delete": lambda w, a: w.store.threads.delete(a, "call-1"),
    "forks.make": lambda w, a: w.store.forks.make(a, "call-1", "call-2", [RECORD]),
    "messages.save": lambda w, a: w.store.messages.save(a, w.agent, "call-1", [RECORD], evicted=["m1"]),
    "messages.history": lambda w, a: w.store.messages.history(a, "call-1"),
    "messages.page": lambda w, a: w.store.messages.page(a, "call-1", PageRequest()),
    "recent.ending_with": lambda w, a: w.store.recent.ending_with(
        a, w.agent, ["hello"], since=datetime(2020, 1, 1, tzinfo=UTC), limit=5
    ),
    "recent.words_of": lambda w, a: w.store.recent.words_of(a, w.agent, ["call-1"]),
    "messages.count": lambda w, a: w.store.messages.count(a, "call-1"),
    "passages.insert": lambda w, a: w.store.passages.insert(a, w.agent, "false"),
    "passages.list": lambda w, a: w.store.passages.list(a, w.agent),
    "passages.page": lambda w, a: w.store.passages.page(a, w.agent, PageRequest()),
    "passages.search": lambda w, a: w.store.passages.search(a, w.agent, "tea"),
    "recall.search": lambda w, a: w.store.recall.search(a, w.agent, "hello"),
    "passages.delete": lambda w, a: w.store.passages.delete(a, w.passage),
    "passages.count": lambda w, a: w.store.passages.count(a, w.agent),
    "due.of_agent": lambda w, a: w.store.due.of_agent(a, w.agent),
    "due.settle": lambda w, a: w.store.due.settle(a, w.agent, [1]),
    "erasure_subjects.of_agent": lambda w, a: ErasureSubjects(w.store.database).of_agent(a, w.agent),
    "erasure_subjects.of_thread": lambda w, a: ErasureSubjects(w.store.database).of_thread(a, "call-1"),
    "erasure_subjects.left": lambda w, a: ErasureSubjects(w.store.database).left(a, w.subject),
    "tool_runs.begin": lambda w, a: w.store.tool_runs.begin(a, "call-1", "m1", "c1", "clock"),
    "tool_runs.discard": lambda w, a: w.store.tool_runs.discard(a, "call-1", ["m1"]),
    "tool_runs.finish": lambda w, a: w.store.tool_runs.finish(
        a, "call-1", "m1", "c1", outcome="success", result="false", tool="clock"
    ),
}


async def entries(page: Awaitable[Slice[Any]]) -> tuple[Any, ...]:
    return (await page).entries


EMPTY: dict[str, Attempt] = {
    "keys.list": lambda w, a: w.store.keys.list(a),
    "threads.list": lambda w, a: w.store.threads.list(a, agent_id=w.agent),
    "threads.agents_of": lambda w, a: w.store.threads.agents_of(a, ["call-1", thread_key(ADA, "call-1")]),
    "threads.add": lambda w, a: w.store.threads.add(a, w.agent, "call-2"),
    "threads.page": lambda w, a: entries(w.store.threads.page(a, PageRequest(), agent_id=w.agent)),
    "tool_runs.of_message": lambda w, a: w.store.tool_runs.of_message(a, "call-1", "m1"),
    "journal.of_agent": lambda w, a: w.store.journal.of_agent(a, w.agent, without=(), limit=5),
}


async def come_and_go(world: World, actor: Actor) -> None:
    await world.store.actors.ensure(actor)
    await world.store.actors.delete(actor)


async def come_and_be_traced(world: World, actor: Actor) -> None:
    await world.store.actors.ensure(actor)
    subject = await ErasureSubjects(world.store.database).of_user(actor)
    assert not set(subject.ids) & set(world.subject.ids)


# These make or list what is the actor's own; below is shown that they leave what is Ada's alone.
OWN: dict[str, Attempt] = {
    "keys.create": lambda w, a: w.store.keys.create(a, "phone"),
    "actors.ensure": lambda w, a: w.store.actors.ensure(a),
    "actors.delete": come_and_go,
    "erasure_subjects.of_user": come_and_be_traced,
    "agents.create": lambda w, a: w.store.agents.create(a, "new"),
    "agents.ensure_default": lambda w, a: w.store.agents.ensure_default(a),
    "agents.list": lambda w, a: w.store.agents.list(a),
    "agents.page": lambda w, a: entries(w.store.agents.page(a, PageRequest())),
    "blocks.page": lambda w, a: entries(w.store.blocks.page(a, PageRequest())),
    "blocks.create": lambda w, a: w.store.blocks.create(a, "goals", "other"),
    "blocks.list": lambda w, a: w.store.blocks.list(a),
}


async def contents(store: Store) -> dict[str, Any]:
    queries = {
        table.name: select(table).order_by(*table.primary_key) for table in Base.metadata.sorted_tables
    }
    return await store.database.read(
        lambda session: {name: session.execute(query).all() for name, query in queries.items()}
    )


Owned = tuple[list[AgentMemory], tuple[Block, ...]]


async def owned(store: Store, actor: Actor) -> Owned:
    agents = await store.agents.list(actor)
    return [await store.agents.memory(actor, a.id) for a in agents], await store.blocks.list(actor)


def ids(of: Owned) -> set[str]:
    return {memory.agent.id for memory in of[0]} | {block.id for block in of[1]}


# The program's own upkeep, for all users at once, and notes of turns that have their thread already: it gives
# nothing out.
UPKEEP = {
    "recall.index_due",
    "recall.erase_deleted",
    *(f"journal.{name}" for name in ("begin", "note", "keep", "find", "unrecorded", "take", "record")),
    *(f"journal.{name}" for name in ("go_on", "replace", "drop")),
}


def functions(store: Store) -> dict[str, Any]:
    shared = {"database", "index", "embedding"}
    repositories = {field.name: getattr(store, field.name) for field in fields(store)}
    repositories |= {"erasure_subjects": ErasureSubjects(store.database)}
    found = {
        f"{repository}.{name}": function
        for repository, functions in repositories.items()
        if repository not in shared
        for name, function in inspect.getmembers(functions, inspect.ismethod)
        if not name.startswith("_")
    }
    return {name: function for name, function in found.items() if name not in UPKEEP}


def test_the_tables_of_this_test_name_every_function_of_every_repository(store: Store) -> None:
    assert functions(store).keys() == {*REFUSED, *EMPTY, *OWN}


def test_every_function_of_a_repository_takes_the_actor_first(store: Store) -> None:
    for name, function in functions(store).items():
        assert next(iter(inspect.signature(function).parameters)) == "actor", name


@pytest.mark.parametrize("repository", sorted({name.partition(".")[0] for name in REFUSED}))
async def test_a_stranger_finds_nothing_and_changes_nothing(world: World, repository: str) -> None:
    before = await contents(world.store)
    for name in [name for name in REFUSED if name.startswith(f"{repository}.")]:
        for stranger in STRANGERS:
            with pytest.raises((NotFound, ThreadTaken)):
                await REFUSED[name](world, stranger)
                pytest.fail(f"{name} finds something for {stranger}")
        assert await contents(world.store) == before, name


@pytest.mark.parametrize("function", EMPTY)
async def test_a_stranger_gets_an_empty_list(world: World, function: str) -> None:
    for stranger in STRANGERS:
        assert not await EMPTY[function](world, stranger)


@pytest.mark.parametrize("function", OWN)
async def test_what_a_stranger_makes_or_lists_is_his_own(world: World, function: str) -> None:
    before = await owned(world.store, ADA)
    for stranger in STRANGERS:
        await OWN[function](world, stranger)
        assert await owned(world.store, ADA) == before
        assert not ids(before) & ids(await owned(world.store, stranger))


async def test_a_stranger_cannot_make_a_block_for_ada_s_agent(world: World) -> None:
    before = await contents(world.store)
    for stranger in STRANGERS:
        with pytest.raises(NotFound):
            await world.store.blocks.create(stranger, "goals", "false", agent_id=world.agent)
    assert await contents(world.store) == before


async def test_a_stranger_cannot_attach_ada_s_block_to_an_agent_of_his(world: World) -> None:
    agent = await world.store.agents.create(STRANGERS[0], "new")
    before = await contents(world.store)
    with pytest.raises(NotFound):
        await world.store.blocks.attach(STRANGERS[0], agent.id, world.loose)
    assert await contents(world.store) == before


async def test_ada_cannot_attach_a_stranger_s_block_to_her_agent(world: World) -> None:
    block = await world.store.blocks.create(STRANGERS[0], "other", "text")
    with pytest.raises(NotFound):
        await world.store.blocks.attach(ADA, world.agent, block.id)


async def test_a_stranger_may_use_the_name_of_ada_s_agent(world: World) -> None:
    agent = await world.store.agents.create(Actor("nobody", "nobody"), "nina")
    assert agent.id != world.agent


async def test_a_known_actor_costs_nothing(store: Store, statements: list[str]) -> None:
    await store.actors.ensure(ADA)
    statements.clear()
    await store.actors.ensure(ADA)
    assert statements == []


@pytest.mark.parametrize(
    "actor", [Actor("", "ada"), Actor("acme", ""), Actor("a" * 201, "ada"), Actor("acme", "a\0")], ids=repr
)
async def test_an_actor_with_ids_that_cannot_be_used_is_refused(store: Store, actor: Actor) -> None:
    with pytest.raises(InvalidInput):
        await store.actors.ensure(actor)
    assert await contents(store) == {table.name: [] for table in Base.metadata.sorted_tables}
