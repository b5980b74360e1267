"""The same request again, with nothing after it, is the same turn, however late and wherever it comes."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage
from served_app import Serve

from voicegraph.nodes import voice_tool
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls

URL = "/v1/chat/completions"
THREAD = "call-42"
Message = dict[str, Any]


@pytest.fixture
def voice_url(place: str, request: pytest.FixtureRequest) -> str:
    """One process serves an SQLite file, several one on PostgreSQL."""
    return request.getfixturevalue("postgres_url" if place == "in another process" else "database_url")


class HandClock:
    """A clock that a test turns by hand."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def now(self) -> float:
        return self.seconds


def says(role: str, content: str) -> Message:
    return {"role": role, "content": content}


HI, HELLO, BOOK = says("user", "Hi."), says("assistant", "Hello."), says("user", "Book a table.")
LAMP = {"type": "function", "function": {"name": "lamp", "parameters": {"type": "object"}}}
LIT: list[Message] = [
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "lamp", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "done"},
]
BODIES: dict[str, list[list[Message]]] = {
    "a first body": [[BOOK]],
    "a first body under a prompt": [[says("system", "You are kind."), BOOK]],
    "a first body after a greeting of the client": [[HELLO, BOOK]],
    "a later body": [[HI], [HI, HELLO, BOOK]],
    "a later body that begins later": [[HI], [HELLO, BOOK]],
    "a later body after words without a reply": [[HI], [HI, BOOK]],
    "a body with the result of the client's tool": [[BOOK], [BOOK, *LIT]],
    "a later body with the result of the client's tool": [[HI], [HI, HELLO, BOOK], [HI, HELLO, BOOK, *LIT]],
    "the first body of a later call": [[HI], [HI, HELLO, says("user", "Bye.")], [HELLO, BOOK]],
}
"""The requests of a call; the last one is sent again."""
GAPS = (0.0, 1.5, 60.0, 7200.0)


class Booker:
    """Answers as a model that uses the client's tool once, where there is one, and then ours."""

    def __init__(self, clock: HandClock, *, lamp: bool) -> None:
        self._clock, self._lamp = clock, lamp

    def __call__(self, messages: list[BaseMessage]) -> str | ScriptedReply:
        last = max(at for at, message in enumerate(messages) if isinstance(message, HumanMessage))
        results = [message.text for message in messages[last:] if isinstance(message, ToolMessage)]
        if messages[last].text != BOOK["content"]:
            return "Hello."
        if any(text.startswith("booked") for text in results):
            return "It is booked."
        if self._lamp and not results:
            return calls("lamp", id="c1")
        self._clock.seconds += 1.5  # The tool waits until the request is no draft.
        return calls("book", "I book it.")


async def send(served: Any, thread: str, messages: list[Message], **fields: Any) -> None:
    """Send a request and wait until its turn is stored."""
    async with served.client() as client:
        body = {"messages": messages, "thread_id": thread, "stream": True, **fields}
        await client.post(URL, json=body)
    run = served.resources.threads.running(thread)
    if run is not None:
        await run.done.wait()


ELSEWHERE = ["a first body", "a later body", "a body with the result of the client's tool"]
SENT = [
    *(pytest.param(bodies, "here", id=name) for name, bodies in BODIES.items()),
    *(
        pytest.param(BODIES[name], place, id=f"{name}, {place}")
        for name in ELSEWHERE
        for place in ("after a restart", "in another process")
    ),
]


@pytest.mark.parametrize(("bodies", "place"), SENT)
async def test_a_tool_runs_once_for_a_request_that_is_sent_again(
    serve: Serve, bodies: list[list[Message]], place: str
) -> None:
    booked: list[str] = []

    @voice_tool(side_effects=True)
    def book() -> str:
        """Book."""
        booked.append("table")
        return "booked"

    clock, lamp = HandClock(), any("tool_calls" in message for message in bodies[-1])
    model = ScriptedChatModel(Booker(clock, lamp=lamp))
    tools = {"tools": [LAMP]} if lamp else {}
    ended: dict[float, float] = {}
    gaps = GAPS if place == "here" else GAPS[1::2]
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve(model, tools=[book], clock=clock))
        for gap in gaps:
            for body in bodies:
                clock.seconds += 3
                await send(served, f"after {gap} s", body, **tools)
            ended[gap] = clock.seconds
        if place == "after a restart":
            await stack.aclose()
        if place != "here":
            served = await stack.enter_async_context(serve(model, tools=[book], clock=clock))
        assert len(booked) == len(gaps)
        for gap in gaps:
            clock.seconds = ended[gap] + gap
            await send(served, f"after {gap} s", bodies[-1], **tools)
            assert len(booked) == len(gaps), f"it ran again after {gap} s"
            said = [message.text for message in model.requests[-1].messages if message.type == "human"]
            assert said.count(BOOK["content"]) == 1, f"the words stand there again after {gap} s"
