"""A turn that waits long for its thread: the caller hears the filler once, and it is kept as any other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from calling import CALL, user_says
from open_voice import OpenVoice
from patience import PATIENCE

from voicegraph.graph import TurnGraph, build_graph, interrupt, stream_turn
from voicegraph.nodes import Speech, TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state import Actor

HELLO = user_says("Hello?")
FILLER = TurnLimits().filler


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


class Held(asyncio.Event):
    """Holds up a model that does not let go when it is cancelled, until the event is set."""

    async def wait(self) -> Any:
        while not self.is_set():
            with suppress(asyncio.CancelledError):
                await super().wait()
        raise asyncio.CancelledError


@dataclass
class Busy:
    """A thread whose turn does not end before it is `let_go`."""

    graph: TurnGraph
    model: ScriptedChatModel
    let_go: asyncio.Event

    async def record(self) -> list[str]:
        for run in self.graph.resources.threads.all():
            await run.done.wait()
        stored = await self.graph.resources.store.messages.history(Actor(), "call-42")
        return [message.heard for message in stored]


MakeBusy = Callable[..., AbstractAsyncContextManager[Busy]]


@pytest.fixture
def busy(open_voice: OpenVoice) -> MakeBusy:
    """Return how to get a thread that is busy; settings are given by name."""

    @asynccontextmanager
    async def open_it(*replies: Any, **settings: Any) -> AsyncIterator[Busy]:
        held = Held()
        model = ScriptedChatModel([ScriptedReply(text="One two.", hold=held, hold_after=1), *replies])
        later = {"filler_after": 0.05, **settings}
        async with open_voice(model, filler_after=None) as resources:
            graph = build_graph(resources)
            first = stream_turn(graph, "Count.", CALL)
            await anext(first)
            # Only now: on a busy machine the first turn would have a filler of its own.
            resources.settings = resources.settings.model_copy(update=later)
            try:
                async with asyncio.timeout(PATIENCE):
                    yield Busy(graph, model, held)
            finally:
                held.set()
            async for _ in first:
                pass

    return open_it


async def heard(thread: Busy) -> list[Any]:
    """Say something on the busy thread, which is free once the first word was heard; return the events."""
    events: list[Any] = []
    async for event in stream_turn(thread.graph, "Hello?", CALL):
        events.append(event)
        thread.let_go.set()
    return events


async def test_the_caller_hears_the_filler_once_and_then_the_answer(busy: MakeBusy) -> None:
    async with busy("Yes?", "Good.") as thread:
        events = await heard(thread)
        assert [event.content for event in events if isinstance(event, Speech)] == [FILLER, " Yes?"]
        assert isinstance(events[-1], TurnFinished) and events[-1].first_speech_seconds is not None
        assert (await thread.record())[-2:] == ["Hello?", f"{FILLER} Yes?"]
        await thread.graph.ainvoke(user_says("Fine."), CALL)
        asked = thread.model.requests[-1].messages
        assert [message.text for message in asked][-3:] == ["Hello?", "Yes?", "Fine."]


SPEECH: Any = {"custom": lambda data: data.get("content", ""), "messages": lambda data: data[0].text}


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)  # The form is the same on both.
@pytest.mark.parametrize("modes", ["custom", "messages", ["messages", "values"], ["custom", "messages"]])
@pytest.mark.parametrize("options", [{}, {"version": "v2"}, {"subgraphs": True}], ids=str)
async def test_every_stream_of_speech_carries_the_filler_in_its_own_form(
    busy: MakeBusy, modes: Any, options: Any
) -> None:
    said = {mode: "" for mode in SPEECH if mode == modes or mode in modes}
    async with (
        busy("Yes?") as thread,
        aclosing(thread.graph.astream(HELLO, CALL, stream_mode=modes, **options)) as parts,
    ):
        async for part in parts:
            thread.let_go.set()
            mode, data = named(part, modes, options)
            if mode in said:
                said[mode] += SPEECH[mode](data)
    assert said == dict.fromkeys(said, f"{FILLER} Yes?")


def named(part: Any, modes: Any, options: Any) -> tuple[str, Any]:
    """Return the stream mode of a part and what it carries, as LangGraph documents its forms."""
    if "version" in options:
        assert part["ns"] == ()
        return part["type"], part["data"]
    if "subgraphs" in options:
        place, *rest = part
        assert place == ()
        part = rest[0] if len(rest) == 1 else tuple(rest)
    return part if isinstance(modes, list) else (modes, part)


async def test_the_filler_is_a_chunk_of_the_message_that_follows_it(busy: MakeBusy) -> None:
    async with busy("Yes?") as thread:
        chunks: list[Any] = []
        async for chunk in thread.graph.astream(HELLO, CALL, stream_mode="messages"):
            thread.let_go.set()
            chunks.append(chunk)
        reply = (await thread.graph.aget_state(CALL)).values["messages"][-1]
    assert {chunk.id for chunk, _ in chunks} == {reply.id}
    assert {metadata["langgraph_node"] for _, metadata in chunks} == {"call_llm"}


@pytest.mark.parametrize("mode", ["custom", "messages"])
async def test_a_filler_that_is_all_that_was_heard_is_streamed_and_recorded_once(
    busy: MakeBusy, mode: str
) -> None:
    async with busy() as thread:
        said = ""
        stopping: list[asyncio.Task[bool]] = []
        async for part in thread.graph.astream(HELLO, CALL, stream_mode=mode):
            said += SPEECH[mode](part)
            if not stopping:
                stopping.append(asyncio.create_task(interrupt(thread.graph, "call-42", FILLER)))
                await asyncio.sleep(0)
                thread.let_go.set()
        assert await asyncio.gather(*stopping) == [True]
        assert said == FILLER
        assert await thread.record() == ["Count.", "One", "Hello?", FILLER]


async def test_nothing_is_said_without_a_filler(busy: MakeBusy) -> None:
    async with busy("Yes?", filler_after=None) as thread:
        asyncio.get_running_loop().call_later(0.1, thread.let_go.set)
        assert [event.content async for event in spoken(thread)] == ["Yes?"]


async def test_nothing_is_said_when_the_thread_is_handed_over_soon(busy: MakeBusy) -> None:
    async with busy("Yes?", filler_after=PATIENCE) as thread:
        thread.let_go.set()
        assert [event.content async for event in spoken(thread)] == ["Yes?"]


async def spoken(thread: Busy) -> AsyncIterator[Speech]:
    async for event in stream_turn(thread.graph, "Hello?", CALL):
        if isinstance(event, Speech):
            yield event


async def test_a_turn_that_was_overtaken_while_it_waited_says_nothing(busy: MakeBusy) -> None:
    async with busy("Yes?") as thread:
        overtaken = await thread.graph.begin_turn(HELLO, CALL, stream_mode="custom")
        events = await heard(thread)
        assert [event.content for event in events if isinstance(event, Speech)] == [FILLER, " Yes?"]
        assert [part.type async for part in overtaken.listen()] == ["turn_finished"]
