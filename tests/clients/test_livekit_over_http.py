"""LiveKit's own session over HTTP: what the model is asked is what the caller heard, and said."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from livekit.agents import ChatContext, function_tool
from livekit.plugins.openai import LLM
from livekit_audio import Call
from livekit_over_http import new_llm
from openai_server import Gate, Reply, ToolCall, server_error, text, tool_calls
from served_phone import Phone

EXAMPLE = Path(__file__).with_name("livekit_over_http.py")


def call_of(phone: Phone, **options: Any) -> Call:
    return Call(new_llm(phone.thread, url=phone.url), **options)


async def test_the_example_holds_three_turns(phone: Phone) -> None:
    phone.backend.add(text("One."), text("Two."), text("Three."))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        EXAMPLE,
        *("First?", "Second?", "Third?"),
        env={**os.environ, "VOICEGRAPH_URL": phone.url},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    assert printed.decode().split() == ["One.", "Two.", "Three."]


async def test_each_of_three_turns_is_asked_once_and_as_it_was_heard(phone: Phone) -> None:
    phone.backend.add(text("One."), text("Two."), text("Three."))
    async with call_of(phone) as call:
        for number, words in enumerate(["First?", "Second?", "Third?"], 1):
            call.says(words)
            await call.reply(number)
        assert call.replies == ["One.", "Two.", "Three."]
    assert len(phone.requests) == 3
    assert phone.asked() == [
        ("user", "First?"),
        ("assistant", "One."),
        ("user", "Second?"),
        ("assistant", "Two."),
        ("user", "Third?"),
    ]


async def test_of_a_reply_interrupted_in_playback_the_heard_words_stay(phone: Phone) -> None:
    phone.backend.add(text("One two three four five."), text("Yes."), text("Fine."))
    async with call_of(phone) as call:
        await call.interrupt_in_playback("Count.", heard="One two")
        call.says("Stop!")
        assert await call.reply(2) == "Yes."
        call.says("Good.")
        await call.reply(3)
    heard = [("user", "Count."), ("assistant", "One two"), ("user", "Stop!")]
    assert phone.asked(1) == heard
    assert phone.asked(2) == [*heard, ("assistant", "Yes."), ("user", "Good.")]


async def test_of_a_reply_that_was_not_played_at_all_nothing_stays(phone: Phone) -> None:
    phone.backend.add(text("One two three four five."), text("Yes."))
    async with call_of(phone) as call:
        await call.interrupt_in_playback("Count.", heard="")
        call.says("Stop!")
        assert await call.reply(1) == "Yes."
    assert phone.asked() == [("user", "Count."), ("user", "Stop!")]


def booking(body: dict[str, Any]) -> Reply:
    """Answer as a model that books a table, and says so."""
    if any(message["role"] == "tool" for message in body["messages"]):
        return text("It is booked.")
    return tool_calls([ToolCall("book_table", '{"pre_exec_msg": "One moment.", "guests": 2}')])


async def test_speculative_requests_leave_no_trace_and_run_no_tool_twice(phone: Phone) -> None:
    phone.backend.add(booking, booking, booking, booking, text("You are welcome."))
    async with call_of(phone) as call:
        for asked, draft in enumerate(["Book a", "Book a table", "Book a table for two."], 1):
            call.drafts(draft)
            await phone.is_asked(asked)
        call.says("Book a table for two.")
        assert await call.reply(1) == "One moment. It is booked."
        call.says("Thank you.")
        await call.reply(2)
    assert phone.runs.read_text() == "booked for 2\n"
    said = [("user", "Book a table for two."), ("assistant", "It is booked."), ("user", "Thank you.")]
    assert [told for told in phone.asked() if told[0] == "user" or told[1].startswith("It is")] == said
    assert [role for role, _ in phone.asked()] == ["user", "assistant", "tool", "assistant", "user"]
    assert await remembered(phone, "book a table", of=2) == ["Book a table for two.", "Thank you."]
    assert not any("SECRET" in reply for reply in call.replies)


async def remembered(phone: Phone, query: str, *, of: int) -> list[str]:
    """Return what a search finds of the caller's words, also by words near them, once it knows `of`."""
    wish = {"query": query, "role": "user", "thread_id": phone.thread}
    async with httpx2.AsyncClient(base_url=phone.url) as client:
        async with asyncio.timeout(10):  # Words are indexed behind the turn.
            found: list[Any] = []
            while len(found) < of:
                found = (await client.post("/v1/agents/default/search", json=wish)).json()["data"]
    return [hit["text"] for hit in found]


async def test_words_while_the_model_speaks_stop_it(phone: Phone) -> None:
    phone.backend.add(text("One two three four five.", hold_after=2), text("Yes."), text("Fine."))
    async with call_of(phone) as call:
        call.says("Count.")
        await phone.is_asked(1)
        await call.session.interrupt()
        call.says("Stop!")
        assert await call.reply(1) == "Yes."
        call.says("Good.")
        await call.reply(2)
    assert phone.requests[0].finished == "client_closed"
    # No whole sentence had come, so nothing was played.
    assert phone.asked(1) == [("user", "Count."), ("user", "Stop!")]
    assert phone.asked(2) == [*phone.asked(1), ("assistant", "Yes."), ("user", "Good.")]


async def test_a_dead_backend_is_speech_before_the_first_word_and_after_it(phone: Phone) -> None:
    phone.backend.add(server_error(), text("One two three.", drop_after=2), text("Here I am."))
    async with call_of(phone) as call:
        for number, words in enumerate(["First?", "Second?", "Third?"], 1):
            call.says(words)
            assert await call.reply(number)
        assert not call.errors
        first, second, third = call.replies
        assert first.startswith("Sorry")
        assert second.startswith("One two")
        assert "Sorry" in second
        assert third == "Here I am."
    assert len(phone.requests) == 3
    assert [words for role, words in phone.asked() if role == "user"] == ["First?", "Second?", "Third?"]


async def test_an_instruction_without_words_of_the_caller_is_answered(phone: Phone) -> None:
    phone.backend.add(text("Hello, this is Ada."), text("Fine."), text("Goodbye."))
    async with call_of(phone) as call:
        call.session.generate_reply(instructions="Greet the caller.")
        assert await call.reply(1) == "Hello, this is Ada."
        call.says("How are you?")
        await call.reply(2)
        call.session.generate_reply(instructions="End the call.")
        assert await call.reply(3) == "Goodbye."
    assert phone.asked(1) == [("assistant", "Hello, this is Ada."), ("user", "How are you?")]
    assert [str(request.messages).count("Greet the caller.") for request in phone.requests] == [1, 0, 0]
    assert [str(request.messages).count("End the call.") for request in phone.requests] == [0, 0, 1]


async def test_a_greeting_that_the_client_says_itself_is_known(phone: Phone) -> None:
    phone.backend.add(text("Fine."), text("Bye."))
    async with call_of(phone) as call:
        call.session.say("Welcome to the restaurant.")
        await call.reply(1)
        call.says("How are you?")
        await call.reply(2)
        call.says("Good.")
        await call.reply(3)
    assert phone.asked() == [
        ("assistant", "Welcome to the restaurant."),
        ("user", "How are you?"),
        ("assistant", "Fine."),
        ("user", "Good."),
    ]


async def test_a_tool_of_the_client_runs_there_and_its_result_is_told(phone: Phone) -> None:
    ran: list[str] = []

    @function_tool
    async def transfer_call(department: str) -> str:
        """Transfer the call to a department."""
        ran.append(department)
        return f"transferred to {department}"

    transfer = ToolCall("transfer_call", '{"department": "sales"}', id="call_1")
    phone.backend.add(
        tool_calls([transfer], content="I'll transfer you."), text("You are there."), text("Bye.")
    )
    async with call_of(phone, tools=[transfer_call]) as call:
        call.says("Sales, please.")
        await call.reply(2)
        call.says("Thanks.")
        await call.reply(3)
        assert call.replies == ["I'll transfer you.", "You are there.", "Bye."]
    assert ran == ["sales"]
    assert phone.asked(1)[:3] == [
        ("user", "Sales, please."),
        ("assistant", "I'll transfer you."),
        ("tool", "transferred to sales"),
    ]
    assert phone.asked(2) == [*phone.asked(1)[:3], ("assistant", "You are there."), ("user", "Thanks.")]


async def test_the_same_body_four_times_at_once_is_one_turn(phone: Phone) -> None:
    gate = Gate()
    phone.backend.add(text("One two.", hold_before_first_token=gate), text("Fine."))
    llm = new_llm(phone.thread, url=phone.url)
    history = ChatContext.empty()
    history.add_message(role="user", content="Hello.")
    streams = [llm.chat(chat_ctx=history) for _ in range(4)]

    async def read(stream: Any) -> str:
        return "".join([chunk.delta.content async for chunk in stream if chunk.delta and chunk.delta.content])

    reading = [asyncio.create_task(read(stream)) for stream in streams]
    await phone.is_asked(1)
    await asyncio.wait(reading, timeout=1)
    gate.open()
    assert await asyncio.gather(*reading) == ["One two."] * 4
    history.add_message(role="assistant", content="One two.")
    history.add_message(role="user", content="And?")
    assert await read(llm.chat(chat_ctx=history)) == "Fine."
    await llm.aclose()
    assert len(phone.requests) == 2
    assert phone.asked() == [("user", "Hello."), ("assistant", "One two."), ("user", "And?")]


@pytest.mark.parametrize("path", ["/v1", "/v1/chat/completions", "/v1/voice-beta/default"])
async def test_the_clients_constructor_for_another_agent_server_works(phone: Phone, path: str) -> None:
    phone.backend.add(text("Hello."), text("Fine."))
    async with httpx2.AsyncClient(base_url=phone.url) as client:
        agents = (await client.get("/v1/agents")).json()["data"]
    async with Call(
        LLM.with_letta(agent_id=agents[0]["id"], base_url=phone.url + path, api_key="none")
    ) as call:
        call.says(f"Hi {path}.")
        assert await call.reply(1) == "Hello."
        call.says("How are you?")
        assert await call.reply(2) == "Fine."
    assert phone.asked() == [("user", f"Hi {path}."), ("assistant", "Hello."), ("user", "How are you?")]


async def test_a_tool_that_the_client_requires_is_called(phone: Phone) -> None:
    @function_tool
    async def lamp(on: bool) -> None:
        """Switch the lamp."""

    phone.backend.add(tool_calls([ToolCall("lamp", '{"on": true}')]))
    context = ChatContext()
    context.add_message(role="user", content="Light, please.")
    answer = new_llm(phone.thread, url=phone.url).chat(
        chat_ctx=context, tools=[lamp], tool_choice="required", parallel_tool_calls=False
    )
    [call] = (await answer.collect()).tool_calls
    assert (call.name, call.arguments) == ("lamp", '{"on":true}')
    [request] = phone.requests
    assert (request.body["tool_choice"], request.body["parallel_tool_calls"]) == ("required", False)
