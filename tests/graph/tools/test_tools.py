"""Tools in a turn: each call gets one safe result, in its time, and the turn goes on."""

import asyncio
import threading
from typing import Any

import pytest
from calling import user_says
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from open_voice import OpenVoice
from patience import PATIENCE

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import Speech, ToolFinished, ToolStarted, current_call, voice_tool
from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


CALL: RunnableConfig = {"configurable": {"thread_id": "call-42", "user": "ada"}}


async def results(
    open_voice: OpenVoice, reply: ScriptedReply, *tools: Any, **settings: Any
) -> list[ToolMessage]:
    """Run a turn in which the model gives this reply; return the results that it then sees."""
    model = ScriptedChatModel([reply, "So it is."])
    async with open_voice(model, tools=tools, **settings) as resources:
        result = await build_graph(resources).ainvoke(user_says("Go."), CALL)
    assert result["messages"][-1].text == "So it is."
    return [message for message in result["messages"] if isinstance(message, ToolMessage)]


async def test_an_exception_is_told_without_its_text(open_voice: OpenVoice) -> None:
    def fail() -> str:
        """Fail."""
        raise RuntimeError("password 12345")

    [result] = await results(open_voice, calls("fail"), fail)
    assert result.status == "error"
    assert "12345" not in result.text


async def test_arguments_that_do_not_fit_are_named(open_voice: OpenVoice) -> None:
    def book(guests: int) -> str:
        """Book."""
        return "booked"

    [result] = await results(open_voice, calls("book", guests="many"), book)
    assert "guests" in result.text
    assert "many" not in result.text


async def test_a_slow_tool_is_stopped_by_its_own_time_out(open_voice: OpenVoice) -> None:
    @voice_tool(timeout=0.05)
    async def wait() -> str:
        """Wait."""
        await asyncio.Event().wait()
        return "never"

    [result] = await results(open_voice, calls("wait"), wait)
    assert "too long" in result.text


async def test_a_hanging_thread_does_not_hold_the_turn(open_voice: OpenVoice) -> None:
    go_on = threading.Event()

    def hang() -> str:
        """Hang."""
        go_on.wait()
        return "late"

    [result] = await results(open_voice, calls("hang"), hang, tool_timeout=0.05)
    go_on.set()
    assert "too long" in result.text


async def test_calls_of_one_reply_run_at_once(open_voice: OpenVoice) -> None:
    both = asyncio.Barrier(2)

    async def meet(name: str) -> str:
        """Meet."""
        await both.wait()
        return name

    reply = ScriptedReply(
        calls=[ScriptedCall(name="meet", arguments=f'{{"name": "{name}"}}') for name in ("Ada", "Bob")]
    )
    assert [result.text for result in await results(open_voice, reply, meet)] == ["Ada", "Bob"]


async def test_synchronous_tools_run_at_once_in_threads(open_voice: OpenVoice) -> None:
    both = threading.Barrier(2)

    def meet(name: str) -> str:
        """Meet."""
        both.wait(timeout=PATIENCE)
        return name

    reply = ScriptedReply(
        calls=[ScriptedCall(name="meet", arguments=f'{{"name": "{name}"}}') for name in ("Ada", "Bob")]
    )
    assert [result.text for result in await results(open_voice, reply, meet)] == ["Ada", "Bob"]


async def test_a_long_result_is_clipped(open_voice: OpenVoice) -> None:
    def read() -> str:
        """Read."""
        return "x" * 10_000

    [result] = await results(open_voice, calls("read"), read, tool_result_chars=100)
    assert result.text.startswith("x" * 100 + "…")
    assert len(result.text) < 200


async def test_a_tool_knows_its_call(open_voice: OpenVoice) -> None:
    seen = []

    @tool
    def who() -> str:
        """Tell who asks."""
        seen.append(current_call())
        return "you"

    await results(open_voice, calls("who", id="call_7"), who)
    assert (seen[0].tool_call_id, seen[0].thread_id, seen[0].agent_name) == ("call_7", "call-42", "default")
    assert seen[0].actor == Actor("default", "ada")


async def test_the_tool_gets_neither_preamble_nor_heartbeat(open_voice: OpenVoice) -> None:
    got: dict[str, Any] = {}

    @tool
    def keep(word: str, times: int = 2) -> str:
        """Keep a word."""
        got.update(word=word, times=times)
        return "kept"

    reply = calls("keep", "I keep it.", word="ivy", times=None, request_heartbeat=True)
    [result] = await results(open_voice, reply, keep)
    assert result.status == "success"
    assert got == {"word": "ivy", "times": 2}


async def test_a_model_inside_a_tool_is_not_heard(open_voice: OpenVoice) -> None:
    inner = ScriptedChatModel(["Secret thoughts."])

    async def think() -> str:
        """Think."""
        return (await inner.ainvoke("think")).text

    model = ScriptedChatModel([calls("think", "Let me think."), "Done."])
    async with open_voice(model, tools=[think]) as resources:
        graph = build_graph(resources)
        turn = user_says("Think.")
        parts = [part async for part in graph.astream(turn, CALL, stream_mode=["messages", "custom"])]
    heard = "".join(part[0].text for mode, part in parts if mode == "messages")
    assert heard == "Let me think. Done."


async def test_the_filler_is_spoken_once_while_a_tool_is_slow(open_voice: OpenVoice) -> None:
    go_on = asyncio.Event()

    async def wait() -> str:
        """Wait."""
        await go_on.wait()
        return "done"

    model = ScriptedChatModel([calls("wait", "Let me see."), "Here it is."])
    heard = ""
    async with open_voice(model, tools=[wait], filler_after=0.05, filler="Still there.") as resources:
        async for event in stream_turn(build_graph(resources), "Go.", CALL):
            if isinstance(event, Speech):
                heard += event.content
            if heard.endswith("Still there."):
                asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert heard == "Let me see. Still there. Here it is."


async def test_the_filler_is_spoken_while_the_model_is_silent_and_the_reply_is_stored_without_it(
    open_voice: OpenVoice,
) -> None:
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="Here I am.", hold=hold)])
    heard = []
    async with open_voice(model, filler_after=0.05, filler="One moment.") as resources:
        graph = build_graph(resources)
        async for event in stream_turn(graph, "Hello?", CALL):
            if isinstance(event, Speech):
                heard.append(event.content)
                hold.set()
        window = (await graph.aget_state(CALL)).values["messages"]
    assert "".join(heard) == "One moment. Here I am."
    assert [m.text for m in window if isinstance(m, AIMessage)] == ["Here I am."]


@pytest.mark.parametrize("idempotent", [True, False])
async def test_after_a_crash_only_an_idempotent_tool_runs_again(
    open_voice: OpenVoice, idempotent: bool
) -> None:
    ran = []

    @voice_tool(side_effects=True, idempotent=idempotent)
    async def pay(amount: int) -> str:
        """Pay."""
        ran.append(amount)
        return "paid"

    model = ScriptedChatModel(["Done."])
    async with open_voice(model, tools=[pay]) as resources:
        graph = build_graph(resources)
        actor = Actor("default", "ada")
        await resources.known.claim(actor, "default", "call-42")
        asked = AIMessage(
            "", id="m1", tool_calls=[{"name": "pay", "args": {"amount": 5}, "id": "c1", "type": "tool_call"}]
        )
        agent = await resources.store.agents.get(actor, "default")
        crashed = {
            "messages": [HumanMessage("Pay five.", id="m0"), asked],
            "turn": _turn(),
            "agent": {
                "id": agent.id,
                "name": "default",
                "model": None,
                "model_settings": {},
                "tools": [],
                "time_zone": "UTC",
            },
            "system_prompt": "Speak.",
            "memory_stamp": "",
        }
        await graph.aupdate_state(CALL, crashed, as_node="call_llm")
        await resources.store.tool_runs.begin(actor, "call-42", "m1", "c1", "pay")
        result = await graph.ainvoke(None, CALL)
    text = next(m.text for m in result["messages"] if isinstance(m, ToolMessage))
    assert ran == ([5] if idempotent else [])
    assert ("paid" in text) if idempotent else ("unknown" in text)


def _turn() -> Any:
    from voicegraph.state.schema import new_turn

    return {**new_turn("turn-1", 0.0), "step": 1}


async def test_a_tool_is_announced_before_and_reported_after(open_voice: OpenVoice) -> None:
    async def look(city: str) -> str:
        """Look."""
        return city

    model = ScriptedChatModel([calls("look", "I look.", city="Rome"), "Rome."])
    async with open_voice(model, tools=[look]) as resources:
        events = [event async for event in stream_turn(build_graph(resources), "Go.", CALL)]
    kinds = [type(event) for event in events if not isinstance(event, Speech)]
    assert kinds[:2] == [ToolStarted, ToolFinished]


ACCOUNT = 123456789012345678901


async def test_a_number_of_21_digits_reaches_the_tool_as_it_was_written(open_voice: OpenVoice) -> None:
    paid: list[Any] = []

    def pay(account: int, other: str, several: list[int | None]) -> str:
        """Pay."""
        paid.append((account, other, several))
        return f"paid to {account}"

    written = f'{{"account": {ACCOUNT}, "other": {ACCOUNT}, "several": [{-ACCOUNT}, 7, null]}}'
    reply = ScriptedReply(calls=[ScriptedCall(name="pay", arguments=written)])
    [result] = await results(open_voice, reply, pay)
    assert paid == [(ACCOUNT, str(ACCOUNT), [-ACCOUNT, 7, None])]
    assert result.text == f"paid to {ACCOUNT}"


async def test_a_thread_with_such_a_number_goes_on_in_another_process(open_voice: OpenVoice) -> None:
    def pay(account: int) -> str:
        """Pay."""
        return "paid"

    reply = ScriptedReply(calls=[ScriptedCall(name="pay", arguments=f'{{"account": {ACCOUNT}}}')])
    async with open_voice(ScriptedChatModel([reply, "Paid."]), tools=[pay]) as resources:
        await build_graph(resources).ainvoke(user_says("Pay."), CALL)
    model = ScriptedChatModel(["Yes."])
    async with open_voice(model, tools=[pay]) as resources:
        await build_graph(resources).ainvoke(user_says("Did you?"), CALL)
    [call] = [call for m in model.requests[0].messages if isinstance(m, AIMessage) for call in m.tool_calls]
    assert call["args"] == {"account": str(ACCOUNT)}
