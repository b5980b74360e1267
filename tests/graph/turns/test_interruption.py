"""Barge-in, hang-up and overlap: a turn that is stopped at any point leaves the thread usable."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from calling import CALL, held, spoken_until, user_says
from hold import Hold
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from open_voice import OpenVoice

from voicegraph.graph import build_graph, interrupt, stream_turn
from voicegraph.nodes import Speech, TurnFinished, voice_tool
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.conversations.messages import Messages
from voicegraph.state.errors import StorageError, ThreadBusy


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


LONG = "One two three four five six seven eight nine ten."


async def window(graph: Any) -> list[tuple[str, str]]:
    values = (await graph.aget_state(CALL)).values
    return [(message.type, message.text) for message in values.get("messages", [])]


async def test_an_interrupted_reply_is_kept_as_far_as_it_was_spoken(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([held(LONG, 3)])) as resources:
        graph = build_graph(resources)
        await spoken_until(graph, 3)
        assert await interrupt(graph, "call-42") is True
        assert await window(graph) == [("human", "Count."), ("ai", "One two three")]
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert [record.text for record in stored] == ["Count.", "One two three"]


async def test_the_reply_is_cut_to_what_was_heard(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([held(LONG, 6)])) as resources:
        graph = build_graph(resources)
        await spoken_until(graph, 6)
        await interrupt(graph, "call-42", heard="one, TWO three")
        assert (await window(graph))[-1] == ("ai", "One two three")
        record = (await resources.store.messages.history(Actor(), "call-42"))[-1]
    assert (record.text, record.unheard) == ("One two three", "four five six")


async def test_a_reply_of_which_nothing_was_heard_leaves_the_window_but_not_the_record(
    open_voice: OpenVoice,
) -> None:
    async with open_voice(ScriptedChatModel([held(LONG, 2), "Hello again."])) as resources:
        graph = build_graph(resources)
        await spoken_until(graph, 2)
        await interrupt(graph, "call-42", heard="")
        assert await window(graph) == [("human", "Count.")]
        await graph.ainvoke(user_says("Hello?"), CALL)
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert [(record.text, record.unheard) for record in stored][:2] == [("Count.", None), ("", "One two")]
    assert len(stored) == 4


async def test_a_reply_in_playback_can_be_cut_after_it_was_streamed(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([LONG])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Count."), CALL)
        assert await interrupt(graph, "call-42", heard="One two three four") is False
        assert (await window(graph))[-1] == ("ai", "One two three four")
        record = (await resources.store.messages.history(Actor(), "call-42"))[-1]
    assert record.text == "One two three four"


async def test_interrupting_a_quiet_thread_changes_nothing(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([LONG])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Count."), CALL)
        assert await interrupt(graph, "call-42") is False
        assert await interrupt(graph, "call-unknown", heard="Hello") is False
        assert (await window(graph))[-1] == ("ai", LONG)


async def test_leaving_the_stream_interrupts_the_turn(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([held(LONG, 3), "Yes?"])) as resources:
        graph = build_graph(resources)
        async with aclosing(stream_turn(graph, "Count.", CALL)) as stream:
            await anext(stream)
        await graph.ainvoke(user_says("Hey."), CALL)
        texts = [text for _, text in await window(graph)]
    assert texts[0] == "Count."
    assert texts[-2:] == ["Hey.", "Yes?"]


async def test_cancelling_the_task_loses_nothing(open_voice: OpenVoice) -> None:
    hold = Hold()
    model = ScriptedChatModel([ScriptedReply(text=LONG, hold=hold, hold_after=3), "Yes?"])
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        task = asyncio.create_task(graph.ainvoke(user_says("Count."), CALL))
        await hold.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await graph.ainvoke(user_says("Hey."), CALL)
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert [record.text for record in stored if record.role == "user"] == ["Count.", "Hey."]


async def test_the_newest_turn_wins(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([held(LONG, 3), "Second."])) as resources:
        graph = build_graph(resources)
        first = await spoken_until(graph, 3)
        result = await graph.ainvoke(user_says("Stop."), CALL)
        rest = [event async for event in first]
    assert isinstance(rest[-1], TurnFinished)
    assert rest[-1].finish_reason == "interrupted"
    assert [message.text for message in result["messages"]] == ["Count.", "One two three", "Stop.", "Second."]


async def test_turns_may_wait_for_each_other_instead(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([LONG, "Second."]), overlap="enqueue") as resources:
        graph = build_graph(resources)
        first, second = await asyncio.gather(
            graph.ainvoke(user_says("Count."), CALL), graph.ainvoke(user_says("And then?"), CALL)
        )
    assert first["messages"][-1].text == LONG
    assert [m.text for m in second["messages"]] == ["Count.", LONG, "And then?", "Second."]


async def test_turns_may_be_refused_while_one_runs(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([held(LONG, 3)]), overlap="reject") as resources:
        graph = build_graph(resources)
        await spoken_until(graph, 3)
        with pytest.raises(ThreadBusy):
            await graph.ainvoke(user_says("Me too."), CALL)
        await interrupt(graph, "call-42")


async def test_different_threads_do_not_wait_for_each_other(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([held(LONG, 3), "Hi."])) as resources:
        graph = build_graph(resources)
        await spoken_until(graph, 3)
        other = await graph.ainvoke(user_says("Hello."), {"configurable": {"thread_id": "call-43"}})
        assert other["messages"][-1].text == "Hi."
        await interrupt(graph, "call-42")


async def test_a_running_read_only_tool_is_cancelled(open_voice: OpenVoice) -> None:
    began, ended = asyncio.Event(), []

    async def look_up(word: str) -> str:
        """Look a word up."""
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return word

    model = ScriptedChatModel([calls("look_up", "Let me see.", word="graph")])
    async with open_voice(model, tools=[look_up]) as resources:
        graph = build_graph(resources)
        run = asyncio.create_task(graph.ainvoke(user_says("What is a graph?"), CALL))
        await began.wait()
        await interrupt(graph, "call-42")
        result = (await run)["messages"][-1]
    assert ended == ["cancelled"]
    assert isinstance(result, ToolMessage)
    assert "interrupted" in result.text


async def test_a_tool_with_side_effects_ends_behind_the_turn_and_the_next_turn_knows(
    open_voice: OpenVoice,
) -> None:
    began, go_on, booked = asyncio.Event(), asyncio.Event(), []

    @voice_tool(side_effects=True)
    async def book(guests: int) -> str:
        """Book a table."""
        began.set()
        await go_on.wait()
        booked.append(guests)
        return f"Booked for {guests}."

    model = ScriptedChatModel([calls("book", "I book it.", guests=4), "It is booked."])
    async with open_voice(model, tools=[book]) as resources:
        graph = build_graph(resources)
        run = asyncio.create_task(graph.ainvoke(user_says("A table for four."), CALL))
        await began.wait()
        await interrupt(graph, "call-42")
        assert "Still running" in (await run)["messages"][-1].text
        go_on.set()
        while not booked or resources.background.runs((model_reply_id(await run), call_id(await run))):
            await asyncio.sleep(0)
        after = await graph.ainvoke(user_says("And?"), CALL)
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert booked == [4]
    assert [m.text for m in after["messages"] if isinstance(m, ToolMessage)] == ["Booked for 4."]
    assert [record.text for record in stored if record.role == "tool"] == ["Booked for 4."]


def model_reply_id(result: Any) -> str:
    return next(m.id or "" for m in result["messages"] if isinstance(m, AIMessage))


def call_id(result: Any) -> str:
    return next(m.tool_calls[0]["id"] or "" for m in result["messages"] if isinstance(m, AIMessage))


async def test_calls_that_had_not_started_get_a_result_that_says_so(open_voice: OpenVoice) -> None:
    ran = []

    async def look_up(word: str) -> str:
        """Look a word up."""
        ran.append(word)
        return word

    model = ScriptedChatModel([calls("look_up", "Let me see.", word="graph"), "Hello."])
    async with open_voice(model, tools=[look_up]) as resources:
        graph = build_graph(resources)
        async for event in stream_turn(graph, "What is a graph?", CALL):
            if isinstance(event, Speech) and (run := resources.threads.running("call-42")):
                run.stop.request()
        result = await graph.ainvoke(user_says("Hi."), CALL)
    assert ran == []
    assert [type(m) for m in result["messages"]][:2] == [HumanMessage, AIMessage]


async def test_closing_the_resources_stores_what_was_said(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([held(LONG, 3)])) as resources:
        await spoken_until(build_graph(resources), 3)
    async with open_voice(ScriptedChatModel([])) as resources:
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert [record.text for record in stored] == ["Count.", "One two three"]


async def test_interrupting_while_a_turn_waits_stops_the_one_that_speaks(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel([held(LONG, 3), "Second."])
    async with open_voice(model, overlap="enqueue") as resources:
        graph = build_graph(resources)
        await spoken_until(graph, 3)
        waiting = asyncio.create_task(graph.ainvoke(user_says("And then?"), CALL))
        await asyncio.sleep(0)
        await interrupt(graph, "call-42", heard="One two")
        result = await waiting
    assert [message.text for message in result["messages"]] == ["Count.", "One two", "And then?", "Second."]


async def test_a_turn_that_begins_with_a_cut_loses_nothing(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["One two three.", "Second."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Count."), CALL)
        _, result = await asyncio.gather(
            interrupt(graph, "call-42", heard="One two"), graph.ainvoke(user_says("Go on."), CALL)
        )
    assert [message.text for message in result["messages"]] == ["Count.", "One two", "Go on.", "Second."]


def told(*texts: str) -> Any:
    """Return a client's whole history; replies begin with ">"."""
    return {
        "history": [
            {"role": "assistant" if text.startswith(">") else "user", "content": text.removeprefix(">")}
            for text in texts
        ]
    }


@pytest.mark.parametrize("failing", ["store", "window"])
@pytest.mark.parametrize("heard", ["One two", "One two three", "One two three four five."])
async def test_after_an_interrupt_that_failed_the_client_tells_what_was_heard(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch, failing: str, heard: str
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise StorageError("the database is away")

    async with open_voice(ScriptedChatModel(["One two three four five.", "Yes."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(told("Count."), CALL)
        with monkeypatch.context() as patch:
            if failing == "store":
                patch.setattr(Messages, "save", fail)
            else:
                patch.setattr(type(graph), "aupdate_state", fail)
            with pytest.raises(StorageError):
                await interrupt(graph, "call-42", heard="One two")
        await graph.ainvoke(told("Count.", f">{heard}", "Go on."), CALL)
        assert (await window(graph))[1] == ("ai", heard)
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert [message.text for message in stored] == ["Count.", heard, "Go on.", "Yes."]
    assert (stored[1].unheard or "") == "One two three four five.".removeprefix(heard).strip()


async def test_a_cut_stores_the_words_of_a_turn_that_could_not_be_stored(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*given: Any, **named: Any) -> None:
        raise StorageError("the disk is full")

    async with open_voice(ScriptedChatModel(["Hello.", LONG])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Hi."), CALL)
        with monkeypatch.context() as patch:
            patch.setattr(Messages, "save", full)
            with pytest.raises(StorageError):
                await graph.ainvoke(user_says("Count."), CALL)
        await interrupt(graph, "call-42", heard="One two")
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert [record.text for record in stored] == ["Hi.", "Hello.", "Count.", "One two"]


@pytest.mark.parametrize("heard", ["One two three four five.", "One two three"])
async def test_a_reply_that_was_cut_too_short_is_as_long_again_as_the_client_tells(
    open_voice: OpenVoice, heard: str
) -> None:
    async with open_voice(ScriptedChatModel(["One two three four five.", "Yes."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(told("Count."), CALL)
        await interrupt(graph, "call-42", heard="One two")
        await graph.ainvoke(told("Count.", f">{heard}", "Go on."), CALL)
        assert (await window(graph))[:3] == [("human", "Count."), ("ai", heard), ("human", "Go on.")]
        stored = await resources.store.messages.history(Actor(), "call-42")
    assert [message.text for message in stored] == ["Count.", heard, "Go on.", "Yes."]


async def test_a_stranger_cannot_cut_a_reply(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["One two three."])) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("Count."), CALL)
        assert not await interrupt(graph, "call-42", heard="One", actor=Actor("other", "eve"))
        assert (await window(graph))[-1] == ("ai", "One two three.")


async def test_a_new_thread_hears_nothing_of_a_deleted_one_with_its_id(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["I will keep it."])) as resources:
        await build_graph(resources).ainvoke(user_says("My secret word is heron."), CALL)
        await resources.store.threads.delete(Actor(), "call-42")
    model = ScriptedChatModel(["Hello."])
    async with open_voice(model) as resources:
        eve: Any = {"configurable": {"thread_id": "call-42", "user": "eve"}}
        await build_graph(resources).ainvoke(user_says("Hi."), eve)
    assert not any("heron" in message.text for message in model.requests[0].messages)


async def test_a_bound_config_counts(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Hello."])) as resources:
        bound = build_graph(resources).with_config(configurable={"thread_id": "call-42", "user": "ada"})
        await bound.ainvoke(user_says("Hi."))
        assert [t.id for t in await resources.store.threads.list(Actor("default", "ada"))] == ["call-42"]
