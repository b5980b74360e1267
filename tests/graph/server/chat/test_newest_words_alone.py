"""Clients that send the caller's newest words alone: each of them is a turn, however alike they are."""

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from served_app import Serve

from voicegraph.nodes import voice_tool
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls

URL = "/v1/chat/completions"
THREAD = "call-42"


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


class HandClock:
    """A clock that a test turns by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now(self) -> float:
        return self.seconds


CALLS = {
    "two questions that begin alike": ["What is the weather in Rome?", "What is the weather in Paris?"],
    "five questions that begin alike": [
        f"What does {what} cost?" for what in ("soup", "soda", "tea", "a", "b")
    ],
    "yes, twice": ["Book a table.", "Yes.", "Yes."],
    "the first words again, later": ["Hello?", "A table.", "Hello?"],
}


@pytest.mark.parametrize("words", CALLS.values(), ids=CALLS)
async def test_replies_that_went_out_whole_stay(serve: Serve, words: list[str]) -> None:
    model, clock = ScriptedChatModel([f"Reply {n}." for n in range(len(words))]), HandClock()
    async with serve(model, clock=clock) as served, served.client() as client:
        for said in words:
            body = {"messages": [{"role": "user", "content": said}], "thread_id": THREAD, "stream": True}
            await client.post(URL, json=body)
            record = await served.record(THREAD)
            clock.seconds += 4
    replied = [text for number, said in enumerate(words) for text in (said, f"Reply {number}.")]
    assert [message.text for message in model.requests[-1].messages[1:]] == replied[:-1]
    assert [message["text"] for message in record if message["status"] is None] == replied


async def test_a_request_that_comes_again_right_after_its_reply_runs_its_tool_once(serve: Serve) -> None:
    clock, booked = HandClock(), list[str]()

    @voice_tool(side_effects=True)
    def book() -> str:
        """Book."""
        booked.append("table")
        return "booked"

    def answer(messages: list[BaseMessage]) -> str | ScriptedReply:
        if isinstance(messages[-1], ToolMessage) or messages[-1].text != "Book a table.":
            return "Fine."
        if any(isinstance(message, ToolMessage) for message in messages):
            return "It is booked already."
        clock.seconds += 1.5  # The tool waits until the request is no draft.
        return calls("book", "I book it.")

    model = ScriptedChatModel(answer)
    async with serve(model, tools=[book], clock=clock) as served, served.client() as client:
        for said, later in (("Hello.", 4), ("Book a table.", 0.5), ("Book a table.", 0)):
            body = {"messages": [{"role": "user", "content": said}], "thread_id": THREAD, "stream": True}
            await client.post(URL, json=body)
            await served.record(THREAD)
            clock.seconds += later
    assert booked == ["table"]
    said = [message.text for message in model.requests[-1].messages if isinstance(message, HumanMessage)]
    assert said == ["Hello.", "Book a table."]
