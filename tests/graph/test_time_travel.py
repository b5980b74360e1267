"""Checkpoints, forks and pruning: a fork is a thread of its own, and nothing is done twice by itself."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from calling import CALL, call_with, user_says

from voicegraph.graph import (
    CheckpointTable,
    Resources,
    TurnGraph,
    build_graph,
    checkpoints,
    fork,
    prune,
    resume_turn,
    stream_turn,
)
from voicegraph.nodes import voice_tool
from voicegraph.nodes.testing import ScriptedChatModel, ScriptItem, calls
from voicegraph.state import Actor
from voicegraph.state.errors import CheckpointNotFound, InvalidInput, ThreadNotFound, ThreadTaken


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


ADA = Actor()
GREETED: list[ScriptItem] = ["Hello Ada."]
BOOKED: list[ScriptItem] = [*GREETED, calls("book", "I book it.", guests=4), "It is booked."]
Open = Callable[..., AbstractAsyncContextManager[Resources]]


@dataclass
class World:
    """A thread `call-42` on which turns were run, and what its tools did."""

    graph: TurnGraph
    model: ScriptedChatModel
    booked: list[int]
    looked_up: list[str]

    async def say(self, words: str, config: Any = CALL) -> str:
        events = [event async for event in stream_turn(self.graph, words, config)]
        return "".join(event.content for event in events if event.type == "speech")

    async def resume(self, config: Any) -> str:
        events = [event async for event in resume_turn(self.graph, config)]
        return "".join(event.content for event in events if event.type == "speech")

    async def table(self, thread: str = "call-42") -> CheckpointTable:
        return await checkpoints(self.graph, thread)

    async def texts(self, thread: str = "call-42") -> list[str]:
        return [m.text for m in await self.graph.resources.store.messages.history(ADA, thread)]


@pytest.fixture
def begin(open_voice: Open) -> Callable[..., Any]:
    """Return how to open a world with a script, and words to be said before the test."""

    @asynccontextmanager
    async def begin_it(script: list[ScriptItem], *said: str) -> AsyncIterator[World]:
        booked: list[int] = []
        looked_up: list[str] = []

        @voice_tool(side_effects=True)
        async def book(guests: int) -> str:
            """Book a table."""
            booked.append(guests)
            return f"Booked for {guests}."

        async def look_up(word: str) -> str:
            """Look a word up."""
            looked_up.append(word)
            return f"{word}: found."

        model = ScriptedChatModel(script)
        async with open_voice(model, tools=[book, look_up]) as resources:
            world = World(build_graph(resources), model, booked, looked_up)
            for words in said:
                await world.say(words)
            yield world

    return begin_it


async def test_checkpoints_tell_what_came_next_the_newest_first(begin: Callable[..., Any]) -> None:
    async with begin(BOOKED, "Hello.", "A table for four.") as world:
        table = await world.table()
        assert [row.next for row in table][:9] == [
            None,
            "persist_and_trim",
            "call_llm",
            "rebuild_memory",
            "heartbeat",
            "execute_tool",
            "call_llm",
            "rebuild_memory",
            "__start__",
        ]
        assert (table[0].messages, table[0].last) == (6, "ai: It is booked.")
        assert len(await checkpoints(world.graph, "call-42", limit=2)) == 2


async def test_a_table_of_checkpoints_is_shown_in_notebooks_and_saved(
    begin: Callable[..., Any], tmp_path: Path
) -> None:
    async with begin(["<b>Hi</b>"], "Hello.") as world:
        table = await world.table()
        assert "&lt;b&gt;Hi" in table._repr_html_()
        assert table[0].id in table.save(tmp_path / "table.txt").read_text()
        titles, *lines = repr(table).splitlines()
        assert {line[titles.index("next") - 1] for line in lines} == {" "}
        assert not any(line[titles.index("next")] == " " for line in lines)


async def test_a_fork_has_what_was_said_up_to_then_and_the_first_thread_stays(
    begin: Callable[..., Any],
) -> None:
    script = [*GREETED, "Rome it is.", "Then Oslo.", "In Oslo."]
    async with begin(script, "Hello.", "To Rome.") as world:
        before = await world.table()
        end_of_first = [row for row in before if row.next is None][1]
        new = await fork(world.graph, "call-42", end_of_first.id, "other")
        assert (new.thread_id, new.unfinished) == ("other", False)
        assert await world.texts("other") == ["Hello.", "Hello Ada."]
        assert await world.say("To Oslo.", new.config) == "Then Oslo."
        assert [m.text for m in world.model.requests[-1].messages[1:]] == ["Hello.", "Hello Ada.", "To Oslo."]
        assert (await world.table()).rows == before.rows
        assert await world.texts() == ["Hello.", "Hello Ada.", "To Rome.", "Rome it is."]
        assert await world.texts("other") == ["Hello.", "Hello Ada.", "To Oslo.", "Then Oslo."]


async def test_a_fork_goes_on_by_its_thread_id_alone(begin: Callable[..., Any]) -> None:
    async with begin([*GREETED, "Still Ada."], "Hello.") as world:
        newest = (await world.table())[0]
        await fork(world.graph, "call-42", newest.id, "other", memory="as_of")
        assert await world.say("Who am I?", {"configurable": {"thread_id": "other"}}) == "Still Ada."


async def test_a_fork_in_the_middle_of_a_turn_ends_it_with_the_result_of_the_tool(
    begin: Callable[..., Any],
) -> None:
    async with begin([*BOOKED, "Booked, once."], "Hello.", "A table for four.") as world:
        new = await fork(world.graph, "call-42", (await world.table()).before("execute_tool").id)
        assert new.unfinished
        assert (await world.resume(new.config)).strip() == "Booked, once."
        assert world.booked == [4]
        assert (await world.texts(new.thread_id))[-2:] == ["Booked for 4.", "Booked, once."]


async def test_a_model_that_is_asked_again_does_not_run_the_tool_again(begin: Callable[..., Any]) -> None:
    again = [calls("book", "Let me book.", guests=4), "Done."]
    async with begin([*BOOKED, *again], "Hello.", "A table for four.") as world:
        first_call = [row for row in await world.table() if row.next == "call_llm"][1]
        new = await fork(world.graph, "call-42", first_call.id)
        await world.resume(new.config)
        assert world.booked == [4]
        assert "Booked for 4." in await world.texts(new.thread_id)


async def test_a_model_that_words_the_call_in_another_way_is_told_that_it_was_not_run(
    begin: Callable[..., Any],
) -> None:
    again = [calls("book", "Let me book.", guests=5), "Shall I?"]
    async with begin([*BOOKED, *again], "Hello.", "A table for four.") as world:
        start = (await world.table()).before("__start__")
        new = await fork(world.graph, "call-42", start.id)
        await world.resume(new.config)
        assert world.booked == [4]
        assert any(text.startswith("Not run: ") for text in await world.texts(new.thread_id))


async def test_new_words_of_the_user_may_run_the_tool_anew(begin: Callable[..., Any]) -> None:
    again = [calls("book", "Let me book.", guests=5), "Booked."]
    async with begin([*BOOKED, *again], "Hello.", "A table for four.") as world:
        new = await fork(world.graph, "call-42", (await world.table()).before("call_llm").id)
        await world.say("One for five too.", new.config)
        assert world.booked == [4, 5]


async def test_new_words_at_a_tool_call_find_its_result(begin: Callable[..., Any]) -> None:
    async with begin([*BOOKED, "It was."], "Hello.", "A table for four.") as world:
        new = await fork(world.graph, "call-42", (await world.table()).before("execute_tool").id)
        await world.say("Was it booked?", new.config)
        assert "Booked for 4." in [m.text for m in world.model.requests[-1].messages]


async def test_a_fork_of_a_fork_runs_the_tool_neither(begin: Callable[..., Any]) -> None:
    again = [calls("book", "Let me book.", guests=4), "Done.", calls("book", "Again.", guests=4), "So."]
    async with begin([*BOOKED, *again], "Hello.", "A table for four.") as world:
        first_call = [row for row in await world.table() if row.next == "call_llm"][1]
        new = await fork(world.graph, "call-42", first_call.id)
        newer = await fork(world.graph, new.thread_id, (await world.table(new.thread_id))[0].id)
        await world.resume(newer.config)
        await world.resume(new.config)
        assert world.booked == [4]


async def test_a_tool_without_side_effects_runs_again(begin: Callable[..., Any]) -> None:
    look = [calls("look_up", "I look.", word="ivy"), "Found."]
    async with begin([*look, *look], "What is ivy?") as world:
        first_call = [row for row in await world.table() if row.next == "call_llm"][1]
        await world.resume((await fork(world.graph, "call-42", first_call.id)).config)
        assert world.looked_up == ["ivy", "ivy"]


async def test_state_is_edited_on_a_fork_and_goes_on(begin: Callable[..., Any]) -> None:
    async with begin([*GREETED, "To Oslo, then."], "To Rome.") as world:
        new = await fork(world.graph, "call-42", (await world.table()).before("call_llm").id, "other")
        words = (await world.graph.aget_state(new.config)).values["messages"][-1]
        edited = words.model_copy(update={"content": "To Oslo."})
        await world.graph.aupdate_state(new.config, {"messages": [edited]}, as_node="rebuild_memory")
        await world.resume(new.config)
        assert await world.texts("other") == ["To Oslo.", "To Oslo, then."]
        assert await world.texts() == ["To Rome.", "Hello Ada."]


async def test_what_is_in_two_threads_is_found_once(begin: Callable[..., Any]) -> None:
    async with begin(GREETED, "I like ivy.") as world:
        store = world.graph.resources.store
        await fork(world.graph, "call-42", (await world.table())[0].id, "other")
        await store.recall.index_due()
        agent = await store.agents.get(ADA, "default")
        found = (await store.recall.search(ADA, agent.id, "ivy")).hits
        in_fork = (await store.recall.search(ADA, agent.id, "ivy", thread_id="other")).hits
        assert [hit.message.thread_id for hit in found] == ["call-42", "call-42"]
        assert [hit.message.thread_id for hit in in_fork] == ["other", "other"]


async def test_a_fork_sees_memory_as_it_is_now(begin: Callable[..., Any]) -> None:
    async with begin([*GREETED, "Yes."], "Hello.") as world:
        await _know(world, "Likes tea.")
        new = await fork(world.graph, "call-42", (await world.table())[0].id)
        await world.say("What do I like?", new.config)
        assert "Likes tea." in str(world.model.requests[-1].messages[0].text)


async def test_memory_as_of_then_is_the_fork_s_alone(begin: Callable[..., Any]) -> None:
    async with begin([*GREETED, "No.", "Yes."], "Hello.") as world:
        before = (await world.table())[0]
        block = await _know(world, "Likes tea.")
        store = world.graph.resources.store
        history = await store.blocks.history(ADA, block)
        new = await fork(world.graph, "call-42", before.id, memory="as_of")
        await world.say("What do I like?", new.config)
        assert "Likes tea." not in str(world.model.requests[-1].messages[0].text)
        copy = (await store.blocks.of_agent(ADA, (await store.agents.get(ADA, new.agent)).id))[1]
        await store.blocks.write(ADA, copy.id, "Likes coffee.")
        await world.say("What do I like?")
        assert "Likes tea." in str(world.model.requests[-1].messages[0].text)
        assert await store.blocks.history(ADA, block) == history


async def test_memory_as_of_then_serves_a_turn_that_goes_on(begin: Callable[..., Any]) -> None:
    async with begin([*BOOKED, "Booked."], "Hello.", "A table for four.") as world:
        row = (await world.table()).before("execute_tool")
        new = await fork(world.graph, "call-42", row.id, memory="as_of")
        await world.resume(new.config)
        assert (await world.texts(new.thread_id))[-1] == "Booked."


async def _know(world: World, fact: str) -> str:
    store = world.graph.resources.store
    agent = await store.agents.get(ADA, "default")
    block = await store.blocks.by_label(ADA, agent.id, "human")
    await store.blocks.write(ADA, block.id, fact)
    return block.id


async def test_a_taken_id_is_refused_and_nothing_is_made(begin: Callable[..., Any]) -> None:
    async with begin(GREETED, "Hello.") as world:
        row = (await world.table())[0]
        for taken in ("call-42", "other"):
            if taken == "other":
                await fork(world.graph, "call-42", row.id, "other")
            before = await world.texts(taken)
            with pytest.raises(ThreadTaken):
                await fork(world.graph, "call-42", row.id, taken, memory="as_of")
            assert await world.texts(taken) == before
        assert [agent.name for agent in await world.graph.resources.store.agents.list(ADA)] == ["default"]


async def test_a_stranger_sees_forks_and_prunes_nothing(begin: Callable[..., Any]) -> None:
    async with begin(GREETED, "Hello.") as world:
        rows, eve = (await world.table()).rows, Actor("default", "eve")
        with pytest.raises(ThreadNotFound):
            await checkpoints(world.graph, "call-42", actor=eve)
        with pytest.raises(ThreadNotFound):
            await fork(world.graph, "call-42", rows[0].id, "eves", actor=eve)
        with pytest.raises(ThreadNotFound):
            await prune(world.graph, "call-42", actor=eve)
        assert (await world.table()).rows == rows


async def test_an_unknown_checkpoint_is_named(begin: Callable[..., Any]) -> None:
    async with begin(GREETED, "Hello.") as world:
        for wrong in ("nonsense", ""):
            with pytest.raises(CheckpointNotFound, match="voicegraph checkpoints call-42"):
                await fork(world.graph, "call-42", wrong)


async def test_pruning_leaves_the_newest_and_the_thread_goes_on(begin: Callable[..., Any]) -> None:
    async with begin([*GREETED, "Ada."], "Hello.") as world:
        newest = (await world.table())[0]
        assert await prune(world.graph, "call-42") == 4
        assert (await world.table()).rows == (newest,)
        assert await world.say("Who am I?") == "Ada."
        with pytest.raises(InvalidInput):
            await prune(world.graph, "call-42", keep=0)


async def test_a_turn_does_not_begin_at_an_old_checkpoint_of_its_thread(begin: Callable[..., Any]) -> None:
    async with begin([*BOOKED, "Yes."], "Hello.", "A table for four.") as world:
        table = await world.table()
        for given in (None, user_says("Hi")):
            old = call_with(checkpoint_id=table[5].id)
            with pytest.raises(InvalidInput, match="fork"):
                await world.graph.ainvoke(given, old)
        assert (await world.table()).rows == table.rows
        newest: Any = (await world.graph.aget_state(CALL)).config
        await world.graph.ainvoke(user_says("Is it?"), newest)
        assert (await world.texts())[-2:] == ["Is it?", "Yes."]
