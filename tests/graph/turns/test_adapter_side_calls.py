"""What LiveKit's session asks through the adapter beside the conversation, in the process of the graph."""

import asyncio
from typing import Any

import pytest
from hold import Hold
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from open_voice import OpenVoice

from voicegraph.graph import Resources, build_graph
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply
from voicegraph.state import Actor

CALL: RunnableConfig = {"configurable": {"thread_id": "call-1"}}
HOTEL = "You are the friendly receptionist of a small hotel. Take bookings and answer questions about rooms."
SUMMARIZE = "Compress the conversation so far into a short summary for the next task."
TRANSCRIPT = "Conversation to summarize:\n\n<user>\nA room.\n</user>\n<assistant>\nGladly.\n</assistant>"
VOICEMAIL = "Decide whether a human or an answering machine picked up. Say HUMAN or MACHINE."
SIDE_CALLS = [
    (SUMMARIZE, TRANSCRIPT),
    ("Return corrected terms.", "## Transcript\nUSER: A room.\nASSISTANT: Gladly."),
    (VOICEMAIL, "You have reached the Miller family."),
]


def adapters(prompt: str, *said: str) -> dict[str, Any]:
    """Return what the adapter sends: the session's whole history, each message under an id of its own."""
    kinds = (HumanMessage, AIMessage)
    history = [kinds[at % 2](text, id=f"item_{at}") for at, text in enumerate(said)]
    return {"messages": [SystemMessage(prompt, id="item_prompt"), *history]}


async def heard(graph: Any, asked: Any, mode: Any = "custom") -> str:
    """Return what the adapter would speak."""
    words = ""
    async for part in graph.astream(asked, CALL, context=None, stream_mode=mode, subgraphs=False):
        if isinstance(mode, list):
            (_, part) = part
        part = part[0].text if isinstance(part, tuple) else part.get("content") or ""
        words += part
    return words


def answer(gate: asyncio.Event) -> Any:
    """Return a model that stops in the middle of "Gladly, ..." until the gate is open."""

    def reply(messages: list[BaseMessage]) -> ScriptedReply:
        if messages[-1].text == "A room.":
            return ScriptedReply(text="Gladly, for how many nights?", hold=gate, hold_after=2)
        prompts = " ".join(message.text for message in messages if isinstance(message, SystemMessage))
        return ScriptedReply(text="Hello." if HOTEL in prompts else "Beside.")

    return reply


async def asked_beside(resources: Resources, model: ScriptedChatModel, side: Any, mode: Any) -> None:
    """Assert that a request is answered by its own messages alone."""
    assert await heard(build_graph(resources), side, mode) == "Beside."
    request = model.requests[-1].messages
    assert [message.text for message in request] == [message.text for message in side["messages"]]


@pytest.mark.parametrize("mode", ["custom", "messages", ["custom"], ["messages"]], ids=str)
@pytest.mark.parametrize(("prompt", "text"), SIDE_CALLS)
async def test_a_side_call_runs_beside_the_reply(
    open_voice: OpenVoice, prompt: str, text: str, mode: Any
) -> None:
    gate = Hold()
    model = ScriptedChatModel(answer(gate))
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        await heard(graph, adapters(HOTEL, "Hello?"))
        turn = asyncio.create_task(heard(graph, adapters(HOTEL, "Hello?", "Hello.", "A room.")))
        await gate.reached.wait()
        await asked_beside(resources, model, adapters(prompt, text), mode)
        gate.set()
        assert await turn == "Gladly, for how many nights?"
        record = await resources.store.messages.history(Actor(), "call-1")
        assert [message.text for message in record] == [
            "Hello?",
            "Hello.",
            "A room.",
            "Gladly, for how many nights?",
        ]


async def test_a_side_call_runs_beside_the_first_reply_of_a_call(open_voice: OpenVoice) -> None:
    gate = Hold()
    model = ScriptedChatModel(answer(gate))
    async with open_voice(model) as resources:
        turn = asyncio.create_task(heard(build_graph(resources), adapters(HOTEL, "A room.")))
        await gate.reached.wait()
        await asked_beside(resources, model, adapters(*SIDE_CALLS[2]), "custom")
        gate.set()
        assert await turn == "Gladly, for how many nights?"


async def test_a_summary_before_the_first_turn_begins_no_thread(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(answer(asyncio.Event()))
    async with open_voice(model) as resources:
        await asked_beside(resources, model, adapters(SUMMARIZE, TRANSCRIPT), "custom")
        assert await resources.store.threads.list(Actor()) == ()


async def test_drafts_and_repeats_of_a_first_turn_are_turns(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(answer(asyncio.Event()))
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        for words in ("Hell", "Hello?", "Hello?"):
            assert await heard(graph, adapters(HOTEL, words)) == "Hello."
        window = (await graph.aget_state(CALL)).values["messages"]
        assert [message.text for message in window] == ["Hello?", "Hello."]


async def test_words_that_are_given_by_code_are_a_turn_whatever_they_quote(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(answer(asyncio.Event()))
    async with open_voice(model) as resources:
        graph = build_graph(resources)
        await heard(graph, adapters(HOTEL, "Hello?"))
        asked: Any = {"messages": [("system", SUMMARIZE), ("user", TRANSCRIPT)]}
        await graph.ainvoke(asked, CALL)
        record = await resources.store.messages.history(Actor(), "call-1")
        assert [message.text for message in record][2:] == [TRANSCRIPT, "Beside."]
