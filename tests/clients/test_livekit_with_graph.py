"""LiveKit's own session with the graph in its process, in both stream modes that `LLMAdapter` knows."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import ChatContext
from livekit.agents.llm import LLM
from livekit.agents.voice.amd.classifier import AMD_PROMPT
from livekit.agents.voice.keyterm_detection import _detect_keyterms
from livekit_audio import Call
from livekit_with_graph import new_llm
from openai_server import Gate, OpenAIServer, Reply, ToolCall, server_error, text, tool_calls
from phone_tools import book_table

from voicegraph.graph import build_graph

EXAMPLE = Path(__file__).with_name("livekit_with_graph.py")


@pytest.fixture(params=["messages", "custom"])
def stream_mode(request: pytest.FixtureRequest) -> Any:
    return request.param


class Line:
    """A call to a graph whose model is a server of its own."""

    def __init__(self, call: Call, backend: OpenAIServer) -> None:
        self.call, self.backend = call, backend

    def asked(self, number: int = -1) -> list[tuple[str, str]]:
        messages = self.backend.requests[number].messages
        return [(m["role"], m.get("content") or "") for m in messages if m["role"] != "system"]


@pytest.fixture
def open_line(open_voice: Any, monkeypatch: pytest.MonkeyPatch, stream_mode: Any, tmp_path: Path) -> Any:
    @asynccontextmanager
    async def open_it(*answers: Any, **settings: Any) -> AsyncIterator[Line]:
        monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        async with OpenAIServer(*answers) as backend:
            monkeypatch.setenv("OPENAI_BASE_URL", backend.base_url)
            settings = {"model_attempts": 1, **settings}
            async with open_voice("openai:gpt-4.1-mini", tools=[book_table], **settings) as resources:
                async with Call(new_llm(build_graph(resources), "call", stream_mode)) as call:
                    yield Line(call, backend)
            backend.check()

    return open_it


async def test_the_example_holds_three_turns(tmp_path: Path) -> None:
    async with OpenAIServer(text("One."), text("Two."), text("Three.")) as backend:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            EXAMPLE,
            *("First?", "Second?", "Third?"),
            cwd=tmp_path,
            env={**os.environ, "OPENAI_BASE_URL": backend.base_url, "OPENAI_API_KEY": "none"},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert printed.decode().split() == ["One.", "Two.", "Three."]
        backend.check()


@pytest.mark.parametrize("stream_mode", ["messages", "custom", ["messages"], ["custom"]], ids=str)
async def test_each_of_three_turns_is_asked_once_and_as_it_was_heard(open_line: Any) -> None:
    async with open_line(text("One."), text("Two."), text("Three.")) as line:
        for number, words in enumerate(["First?", "Second?", "Third?"], 1):
            line.call.says(words)
            await line.call.reply(number)
        assert line.call.replies == ["One.", "Two.", "Three."]
        assert len(line.backend.requests) == 3
        assert line.asked() == [
            ("user", "First?"),
            ("assistant", "One."),
            ("user", "Second?"),
            ("assistant", "Two."),
            ("user", "Third?"),
        ]


@pytest.mark.parametrize(("heard", "left"), [("One two", [("assistant", "One two")]), ("", [])])
async def test_of_a_reply_interrupted_in_playback_the_heard_words_stay(
    open_line: Any, heard: str, left: list[tuple[str, str]]
) -> None:
    async with open_line(text("One two three four five."), text("Yes.")) as line:
        await line.call.interrupt_in_playback("Count.", heard=heard)
        line.call.says("Stop!")
        await line.call.until(lambda: "Yes." in line.call.replies)
        assert line.asked() == [("user", "Count."), *left, ("user", "Stop!")]


def booking(body: dict[str, Any]) -> Reply:
    """Answer as a model that books a table, and says so."""
    if any(message["role"] == "tool" for message in body["messages"]):
        return text("It is booked.")
    return tool_calls([ToolCall("book_table", '{"pre_exec_msg": "One moment.", "guests": 2}')])


async def test_speculative_runs_leave_no_trace_and_run_no_tool_twice(open_line: Any, tmp_path: Path) -> None:
    async with open_line(booking, booking, booking, booking, text("You are welcome.")) as line:
        for asked, draft in enumerate(["Book a", "Book a table", "Book a table for two."], 1):
            line.call.drafts(draft)
            await line.backend.async_wait_for_requests(asked)
        line.call.says("Book a table for two.")
        assert await line.call.reply(1) == "One moment. It is booked."
        line.call.says("Thank you.")
        await line.call.reply(2)
        assert (tmp_path / "runs").read_text() == "booked for 2\n"
        said = [words for role, words in line.asked() if role == "user"]
        assert said == ["Book a table for two.", "Thank you."]
        assert [role for role, _ in line.asked()] == ["user", "assistant", "tool", "assistant", "user"]
        assert not any("SECRET" in reply for reply in line.call.replies)


async def test_a_dead_backend_is_speech_before_the_first_word_and_after_it(open_line: Any) -> None:
    broken = [server_error(), text("One two three.", drop_after=2)]
    async with open_line(*broken, text("Here I am.")) as line:
        for number, words in enumerate(["First?", "Second?", "Third?"], 1):
            line.call.says(words)
            await line.call.reply(number)
        first, second, third = line.call.replies
        assert not line.call.errors
        assert first.startswith("Sorry")
        assert second.startswith("One two")
        assert "Sorry" in second
        assert third == "Here I am."
        said = [words for role, words in line.asked() if role == "user"]
        assert said == ["First?", "Second?", "Third?"]


@pytest.mark.parametrize("recall_mode", ["compose", "search"])
async def test_of_a_recall_only_what_is_meant_for_the_caller_is_spoken(
    open_line: Any, recall_mode: str
) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        if "tools" not in body or "recall_memory" not in str(body["tools"]):
            return text('{"block": "SECRET-MEMORY: Ada has a dog."}')
        if any(message["role"] == "tool" for message in body["messages"]):
            return text("Your dog is Rex.")
        arguments = '{"pre_exec_msg": "Let me think.", "query": "dog"}'
        return tool_calls([ToolCall("recall_memory", arguments)])

    times = 3 if recall_mode == "compose" else 2
    async with open_line(*[text("Nice.")], recall_mode=recall_mode) as line:
        line.call.says("My dog is called Rex.")
        await line.call.reply(1)
        line.backend.add(*[answer] * times)
        line.call.says("What is my dog called?")
        assert await line.call.reply(2) == "Let me think. Your dog is Rex."
        assert "Rex" in str(line.backend.requests[-1].messages)


async def test_a_greeting_and_an_instruction_of_the_client_are_no_words_of_the_caller(open_line: Any) -> None:
    async with open_line(text("Fine."), text("Goodbye."), text("Yes.")) as line:
        line.call.session.say("Welcome to the restaurant.")
        await line.call.reply(1)
        line.call.says("How are you?")
        await line.call.reply(2)
        line.call.session.generate_reply(instructions="End the call.")
        assert await line.call.reply(3) == "Goodbye."
        line.call.says("Still there?")
        assert await line.call.reply(4) == "Yes."
        assert ["End the call." in str(r.messages) for r in line.backend.requests] == [False, True, False]
        assert line.asked() == [
            ("assistant", "Welcome to the restaurant."),
            ("user", "How are you?"),
            ("assistant", "Fine."),
            ("assistant", "Goodbye."),
            ("user", "Still there?"),
        ]


def said_so_far() -> ChatContext:
    context = ChatContext()
    context.add_message(role="user", content="Hello?")
    context.add_message(role="assistant", content="Good day.")
    return context


async def summary_of_a_task_group(llm: LLM) -> None:
    summarized = await said_so_far()._summarize(llm_v=llm, keep_last_turns=0)
    assert "Wants a room." in str(summarized.items[-1].text_content)


async def key_terms(llm: LLM) -> None:
    await _detect_keyterms(llm, said_so_far())  # The adapter has no tools, by which they would be told.


async def voicemail_detector(llm: LLM) -> None:
    context = ChatContext()
    context.add_message(role="system", content=AMD_PROMPT)
    context.add_message(role="user", content="You have reached the Miller family.")
    assert (await llm.chat(chat_ctx=context).collect()).text == "Wants a room."


@pytest.mark.parametrize(
    "side_call", [summary_of_a_task_group, key_terms, voicemail_detector], ids=lambda call: call.__name__
)
async def test_a_side_call_of_the_session_is_answered_beside_the_reply(
    open_line: Any, side_call: Any
) -> None:
    gate = Gate()
    held = text("One two three four.", hold_after=2, gate=gate)
    async with open_line(text("Good day."), held, text("Wants a room."), text("Bye.")) as line:
        line.call.says("Hello?")
        await line.call.reply(1)
        line.call.says("Count.")
        await line.backend.async_wait_for_requests(2)
        await side_call(line.call.llm)
        gate.open()
        assert await line.call.reply(2) == "One two three four."
        line.call.says("Thanks.")
        await line.call.reply(3)
        assert line.asked() == [
            ("user", "Hello?"),
            ("assistant", "Good day."),
            ("user", "Count."),
            ("assistant", "One two three four."),
            ("user", "Thanks."),
        ]
