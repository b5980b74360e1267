"""Threads: claimed by one agent of one user, for good."""

import asyncio

import pytest
from ada import ADA
from ada_at_home import Home, Say

from voicegraph.state.agents.actors import Actor
from voicegraph.state.errors import AgentNotFound, InvalidInput, ThreadNotFound, ThreadTaken
from voicegraph.state.store import Store


async def test_a_thread_is_made_once_and_found_again(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina")
    made = await store.threads.claim(ADA, agent.id, "call-42")
    assert (made.agent_id, made.agent_name) == (agent.id, "nina")
    assert await store.threads.claim(ADA, agent.id, "call-42") == made


async def test_a_known_thread_is_claimed_by_one_query(home: Home, statements: list[str]) -> None:
    await home.store.threads.claim(ADA, home.agent.id, "call-1")
    assert len(statements) == 1


async def test_a_thread_is_added_by_one_statement_unless_its_id_is_taken(
    home: Home, statements: list[str]
) -> None:
    other = await home.store.agents.create(ADA, "omar")
    statements.clear()
    assert await home.store.threads.add(ADA, home.agent.id, "call-2")
    assert len(statements) == 1
    assert not await home.store.threads.add(ADA, other.id, "call-2")
    assert (await home.store.threads.get(ADA, "call-2")).agent_id == home.agent.id


async def test_threads_that_are_added_at_once_are_all_there(home: Home) -> None:
    names = [f"call-{number}" for number in range(2, 52)]
    added = await asyncio.gather(*(home.store.threads.add(ADA, home.agent.id, name) for name in names))
    assert all(added)
    assert {thread.id for thread in await home.store.threads.list(ADA, limit=99)} == {"call-1", *names}


async def test_no_thread_is_added_for_a_deleted_agent(home: Home) -> None:
    await home.store.agents.delete(ADA, home.agent.id)
    assert not await home.store.threads.add(ADA, home.agent.id, "call-2")


async def test_tasks_that_claim_one_thread_at_once_all_get_it(store: Store) -> None:
    agent = await store.agents.create(ADA, "nina")
    threads = await asyncio.gather(*(store.threads.claim(ADA, agent.id, "call-42") for _ in range(10)))
    assert len(set(threads)) == 1


async def test_agents_that_claim_one_thread_at_once_see_one_winner(store: Store) -> None:
    agents = [await store.agents.create(ADA, f"agent {number}", blocks={}) for number in range(5)]
    outcomes = await asyncio.gather(
        *(store.threads.claim(ADA, agent.id, "call-42") for agent in agents), return_exceptions=True
    )
    assert sum(isinstance(outcome, ThreadTaken) for outcome in outcomes) == 4


async def test_each_user_has_a_thread_of_the_same_id(home: Home, say: Say) -> None:
    others = [Actor("acme", "bob"), Actor("other", "ada"), Actor()]
    await home.store.messages.save(ADA, home.agent.id, "call-1", [say("m1", "of acme ada")])
    for other in others:
        await home.store.actors.ensure(other)
        agent = await home.store.agents.create(other, "robert")
        assert (await home.store.threads.claim(other, agent.id, "call-1")).id == "call-1"
        words = f"of {other.organization_id} {other.user_id}"
        await home.store.messages.save(other, agent.id, "call-1", [say("m1", words)])
    for actor in (ADA, *others):
        [thread] = await home.store.threads.list(actor)
        assert (thread.id, thread.messages) == ("call-1", 1)
        [message] = await home.store.messages.history(actor, "call-1")
        assert message.text == f"of {actor.organization_id} {actor.user_id}"
        assert message.thread_id == "call-1"


async def test_a_claim_for_an_unknown_agent_makes_no_thread(store: Store) -> None:
    with pytest.raises(AgentNotFound):
        await store.threads.claim(ADA, "agent-x", "call-42")
    assert await store.threads.list(ADA) == ()


@pytest.mark.parametrize("thread_id", ["", "x" * 201, "call\n42", "call\x7f"])
async def test_an_id_that_cannot_be_used_is_refused(home: Home, thread_id: str) -> None:
    with pytest.raises(InvalidInput):
        await home.store.threads.claim(ADA, home.agent.id, thread_id)


async def test_threads_are_listed_with_the_last_used_first(home: Home, say: Say) -> None:
    store, agent = home.store, home.agent
    other = await store.agents.create(ADA, "omar")
    await store.threads.claim(ADA, agent.id, "call-2")
    await store.threads.claim(ADA, other.id, "call-3")
    await store.messages.save(ADA, agent.id, "call-1", [say("m1"), say("m2")])
    threads = await store.threads.list(ADA)
    assert [(thread.id, thread.messages) for thread in threads] == [
        ("call-1", 2),
        ("call-3", 0),
        ("call-2", 0),
    ]
    assert [thread.id for thread in await store.threads.list(ADA, limit=1)] == ["call-1"]
    assert [thread.id for thread in await store.threads.list(ADA, agent_id=other.id)] == ["call-3"]
    assert await store.threads.get(ADA, "call-1") == threads[0]


async def test_a_limit_below_one_is_refused(home: Home) -> None:
    with pytest.raises(InvalidInput):
        await home.store.threads.list(ADA, limit=0)


async def test_a_deleted_thread_takes_its_messages_and_tool_runs_along(home: Home, say: Say) -> None:
    store, agent = home.store, home.agent
    await store.messages.save(ADA, agent.id, "call-1", [say("m1")])
    await store.tool_runs.begin(ADA, "call-1", "m1", "c1", "clock")
    await store.threads.delete(ADA, "call-1")
    assert (await store.agents.counts(ADA, agent.id)).messages == 0
    await store.threads.claim(ADA, agent.id, "call-1")
    assert await store.tool_runs.of_message(ADA, "call-1", "m1") == {}


async def test_an_unknown_thread_is_not_found(store: Store) -> None:
    for look in (store.threads.get, store.threads.delete, store.messages.history, store.messages.count):
        with pytest.raises(ThreadNotFound, match="no thread 'call-42'"):
            await look(ADA, "call-42")
