"""What callers said and heard, told by clients over HTTP: drafts, corrections, repeats and interruptions."""

from typing import Any

import pytest
from served_app import Serve

from voicegraph.graph import Resources
from voicegraph.nodes import voice_tool
from voicegraph.nodes.testing import ScriptedChatModel, calls
from voicegraph.state import Actor

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


def told(*texts: str) -> dict[str, Any]:
    """Return the body of a request: replies of the agent begin with `>`."""
    roles = [
        {"role": "assistant" if text[0] == ">" else "user", "content": text.lstrip(">")} for text in texts
    ]
    return {"messages": roles, "thread_id": THREAD}


def asked(model: ScriptedChatModel) -> list[str]:
    """Return the conversation of the last request to the model, without system messages."""
    short = {"human": "", "ai": ">", "tool": "="}
    messages = [message for message in model.requests[-1].messages if message.type in short]
    return [f"{short[message.type]}{message.text}" for message in messages]


async def stored(resources: Resources) -> Any:
    """Return the thread's messages once its turn has been stored."""
    run = resources.threads.running(THREAD)
    if run is not None:
        await run.done.wait()
    return await resources.store.messages.history(Actor(), THREAD)


async def test_corrected_words_are_corrected_in_prompt_and_record(serve: Serve) -> None:
    model = ScriptedChatModel(["Noted.", "Anything else?"])
    async with serve(model) as served, served.client() as client:
        await client.post(URL, json=told("transfer 15 euros"))
        first = (await stored(served.resources))[0]
        await client.post(URL, json=told("transfer 1.5 euros", ">Noted.", "thanks"))
        record = await stored(served.resources)
    assert asked(model) == ["transfer 1.5 euros", ">Noted.", "thanks"]
    assert [message.text for message in record] == [
        "transfer 1.5 euros",
        "Noted.",
        "thanks",
        "Anything else?",
    ]
    assert record[0].id == first.id


async def test_a_first_draft_that_was_answered_whole_leaves_no_trace(serve: Serve) -> None:
    model = ScriptedChatModel(["Hi! How can I help?", "For how many?"])
    async with serve(model) as served, served.client() as client:
        await client.post(URL, json=told(">Welcome to Roma.", "hi"))
        await client.post(URL, json=told(">Welcome to Roma.", "I'd like to book a table"))
        record = await stored(served.resources)
    assert asked(model) == [">Welcome to Roma.", "I'd like to book a table"]
    assert [message.text for message in record if message.status != "withdrawn"] == [
        "Welcome to Roma.",
        "I'd like to book a table",
        "For how many?",
    ]


@pytest.mark.parametrize("heard", ["Three", "Three euros."])
async def test_a_reply_that_was_heard_stays_whatever_is_said_next(serve: Serve, heard: str) -> None:
    model = ScriptedChatModel(["Hello.", "Three euros.", "Two."])
    async with serve(model) as served, served.client() as client:
        await client.post(URL, json=told("hi"))
        await client.post(URL, json=told("What does soup cost?"))
        await client.post(f"/v1/threads/{THREAD}/interrupt", json={"heard": heard})
        await client.post(URL, json=told("What does soda cost?"))
    assert asked(model)[-3:] == ["What does soup cost?", f">{heard}", "What does soda cost?"]


@pytest.mark.parametrize("greeting", [[], [">Welcome to Roma."]])
async def test_a_request_that_is_sent_again_and_again_runs_its_tool_once(
    serve: Serve, greeting: list[str]
) -> None:
    booked: list[str] = []

    @voice_tool(side_effects=True)
    def book() -> str:
        """Book."""
        booked.append("table")
        return "booked"

    clock = HandClock()
    model = ScriptedChatModel([calls("book"), *["It is booked."] * 5])
    async with (
        serve(model, tools=[book], clock=clock, speculative_grace=0) as served,
        served.client() as client,
    ):
        for later in (0, 0.2, 3.7, 3.6, 600):
            clock.seconds += later
            await client.post(URL, json=told(*greeting, "book"))
            *before, result = asked(model)
            assert before == [*greeting, "book", ">"]
            assert result.startswith("=booked")
        said = [message.text for message in await stored(served.resources)]
    assert booked == ["table"]
    assert said.count("book") == 1
    assert said.count("Welcome to Roma.") == len(greeting)


async def test_a_reply_that_text_to_speech_rewrote_is_told_to_the_model_as_it_wrote_it(serve: Serve) -> None:
    model = ScriptedChatModel(["You owe 25 euros. Shall I pay them?", "Fine."])
    async with serve(model) as served, served.client() as client:
        await client.post(URL, json=told("What do I owe?"))
        await client.post(URL, json=told("What do I owe?", ">You owe twenty-five euros. Shall", "No"))
        record = await stored(served.resources)
    assert asked(model) == ["What do I owe?", ">You owe 25 euros. Shall", "No"]
    assert (record[1].text, record[1].unheard) == ("You owe 25 euros. Shall", "I pay them?")
