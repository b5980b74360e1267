"""The key of a thread holds its owner and its name, and nobody else's name is one."""

import unicodedata
from typing import Any

import pytest
from ada_at_home import Home, Say
from hypothesis import assume, given
from hypothesis import strategies as st

from voicegraph.state.agents.actors import Actor
from voicegraph.state.agents.thread_keys import key_of_call, thread_key, thread_name, thread_owner
from voicegraph.state.database.paging import PageRequest
from voicegraph.state.store import Store
from voicegraph.state.upkeep.erasure_subject import ErasureSubjects

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200)
ACTORS = st.builds(Actor, NAMES, NAMES) | st.just(Actor())


@given(ACTORS, NAMES)
def test_name_and_owner_are_read_from_a_key(actor: Actor, name: str) -> None:
    key = thread_key(actor, name)
    assert (thread_name(key), thread_owner(key)) == (name, actor)


@given(ACTORS, NAMES, ACTORS, NAMES)
def test_two_threads_never_have_one_key(one: Actor, name: str, other: Actor, another: str) -> None:
    assume((one, name) != (other, another))
    assert thread_key(one, name) != thread_key(other, another)


@given(ACTORS, NAMES)
def test_the_key_of_a_key_and_the_name_of_a_name_are_the_same(actor: Actor, name: str) -> None:
    key = thread_key(actor, name)
    assert thread_key(actor, key) == key_of_call({"thread_id": key}) == key
    assert thread_name(thread_name(key)) == name


@given(NAMES)
def test_the_default_actor_s_keys_are_the_names(name: str) -> None:
    assert thread_key(Actor(), name) == name


@pytest.mark.parametrize("letter", ["x", "\u4e00", "\U00020000"])
async def test_the_longest_ids_of_threads_and_owners_can_be_kept(store: Store, say: Say, letter: str) -> None:
    # Ideographs that follow no pattern: PostgreSQL presses what repeats itself.
    letters = [chr(ord(letter) + place * place % 997) for place in range(200)]
    longest = "".join(each if unicodedata.category(each) != "Cc" else "x" for each in letters)
    actor, thread_id = Actor(longest, longest[::-1]), longest
    await store.actors.ensure(actor)
    agent = await store.agents.create(actor, "nina")
    await store.threads.claim(actor, agent.id, thread_id)
    await store.messages.save(actor, agent.id, thread_id, [say("m1")])
    await store.tool_runs.begin(actor, thread_id, "m1", "c1", "clock")
    assert [thread.id for thread in (await store.threads.page(actor, PageRequest())).entries] == [thread_id]
    assert [message.thread_id for message in await store.messages.history(actor, thread_id)] == [thread_id]


async def test_a_page_of_threads_follows_another_by_the_name_of_its_last_one(home: Home) -> None:
    for number in range(2, 5):
        await home.store.threads.claim(home.actor, home.agent.id, f"call-{number}")
    page = await home.store.threads.page(home.actor, PageRequest(limit=3))
    assert [thread.id for thread in page.entries] == ["call-4", "call-3", "call-2"]
    rest = await home.store.threads.page(home.actor, PageRequest(after="call-2"))
    assert [thread.id for thread in rest.entries] == ["call-1"]


async def test_what_is_read_of_a_thread_has_its_name(home: Home, say: Say) -> None:
    store, actor, agent = home.store, home.actor, home.agent.id
    await store.messages.save(actor, agent, "call-1", [say("m1", "heron")], evicted=["m1"])
    await store.tool_runs.begin(actor, "call-1", "m1", "c1", "clock")
    await store.recall.index_due()
    found: list[Any] = [hit.message for hit in (await store.recall.search(actor, agent, "heron")).hits]
    found += [hit.message for hit in (await store.recall.search(actor, agent, "", thread_id="call-1")).hits]
    found += await store.due.of_agent(actor, agent)
    found += (await store.tool_runs.of_message(actor, "call-1", "m1")).values()
    assert [each.thread_id for each in found] == ["call-1"] * 4
    assert (await ErasureSubjects(store.database).of_user(actor)).threads == ("call-1",)
