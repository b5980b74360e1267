"""A real pipeline of Pipecat's over HTTP: what the model is asked is what the caller heard, and said."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from openai_server import ToolCall, server_error, text, tool_calls
from pipecat.services.llm_service import FunctionCallParams
from pipecat_bot import new_llm
from pipecat_call import PipecatCall
from served_phone import Phone

EXAMPLE = Path(__file__).with_name("pipecat_bot.py")
CHECK = tool_calls([ToolCall("check_stock", "{}")], content="I'm checking.")


def call_of(phone: Phone, **context: Any) -> PipecatCall:
    return PipecatCall(new_llm(phone.thread, url=phone.url), **context)


async def test_the_example_holds_three_turns(phone: Phone) -> None:
    phone.backend.add(text("One."), text("Two."), text("Three."))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        EXAMPLE,
        *("First?", "Second?", "Third?"),
        env={**os.environ, "VOICEGRAPH_URL": phone.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    printed, _ = await process.communicate()
    assert printed.decode().split() == ["One.", "Two.", "Three."]


async def test_each_of_three_turns_is_asked_once_and_as_it_was_heard(phone: Phone) -> None:
    phone.backend.add(text("One two."), text("Three."), text("Four."))
    async with call_of(phone) as call:
        for number, words in enumerate(["First?", "Second?", "Third?"], 1):
            await call.says(words)
            await call.reply(number)
        assert call.loudspeaker.replies == ["One two.", "Three.", "Four."]
    assert len(phone.requests) == 3
    assert phone.asked() == [
        ("user", "First?"),
        ("assistant", "One two."),
        ("user", "Second?"),
        ("assistant", "Three."),
        ("user", "Third?"),
    ]


async def test_of_a_reply_interrupted_in_playback_the_heard_words_stay(phone: Phone) -> None:
    phone.backend.add(text("One two three four five."), text("Yes."), text("Fine."))
    async with call_of(phone) as call:
        call.loudspeaker.audible = 2
        await call.says("Count.")
        await call.reply(1)
        call.loudspeaker.audible = None
        await call.says("Stop!")
        assert await call.reply(2) == "Yes."
        await call.says("Good.")
        await call.reply(3)
    heard = [("user", "Count."), ("assistant", "One two"), ("user", "Stop!")]
    assert phone.asked(1) == heard
    assert phone.asked(2) == [*heard, ("assistant", "Yes."), ("user", "Good.")]


async def test_of_a_reply_that_was_not_played_at_all_nothing_stays(phone: Phone) -> None:
    phone.backend.add(text("One two three four five."), text("Yes."))
    async with call_of(phone) as call:
        call.loudspeaker.audible = 0
        await call.says("Count.")
        await call.reply(1)
        call.loudspeaker.audible = None
        await call.says("Stop!")
        assert await call.reply(2) == "Yes."
    assert phone.asked() == [("user", "Count."), ("user", "Stop!")]


async def test_words_while_the_model_speaks_stop_it(phone: Phone) -> None:
    phone.backend.add(text("One two three four five.", hold_after=2), text("Yes."))
    async with call_of(phone) as call:
        await call.says("Count.")
        await call.until(lambda: call.loudspeaker.reply == "One two")
        await call.says("Stop!")
        assert await call.reply(2) == "Yes."
    assert phone.requests[0].finished == "client_closed"
    assert phone.asked() == [("user", "Count."), ("assistant", "One two"), ("user", "Stop!")]


async def test_a_dead_backend_is_speech_before_the_first_word_and_after_it(phone: Phone) -> None:
    phone.backend.add(server_error(), text("One two three.", drop_after=2), text("Here I am."))
    async with call_of(phone) as call:
        for number, words in enumerate(["First?", "Second?", "Third?"], 1):
            await call.says(words)
            await call.reply(number)
        first, second, third = call.loudspeaker.replies
        assert not call.errors
    assert first.startswith("Sorry")
    assert second.startswith("One two")
    assert "Sorry" in second
    assert third == "Here I am."
    assert [words for role, words in phone.asked() if role == "user"] == ["First?", "Second?", "Third?"]


async def test_a_tool_of_the_client_runs_there_and_its_result_is_told(phone: Phone) -> None:
    async def transfer_call(params: FunctionCallParams, department: str) -> None:
        """Transfer the call.

        Args:
            department: Where to.
        """
        await params.result_callback({"transferred": department})

    transfer = ToolCall("transfer_call", '{"department": "sales"}', id="call_1")
    phone.backend.add(
        tool_calls([transfer], content="I'll transfer you."), text("You are there."), text("Bye.")
    )
    async with call_of(phone, tools=[transfer_call]) as call:
        await call.says("Sales, please.")
        await call.reply(2)
        await call.says("Thanks.")
        await call.reply(3)
    assert call.loudspeaker.replies == ["I'll transfer you.", "You are there.", "Bye."]
    done = [
        ("user", "Sales, please."),
        ("assistant", "I'll transfer you."),
        ("tool", '{"transferred": "sales"}'),
    ]
    assert phone.asked(1)[:3] == done
    assert phone.asked(2) == [*done, ("assistant", "You are there."), ("user", "Thanks.")]


async def test_words_during_an_async_tool_of_the_client_are_answered_before_its_result(phone: Phone) -> None:
    result = asyncio.Event()

    async def check_stock(params: FunctionCallParams) -> None:
        """Check the stock."""
        await result.wait()
        await params.result_callback({"stock": 3})

    phone.backend.add(CHECK, text("Sure."), text("There are three."), text("Bye."))
    async with call_of(phone, tools=[check_stock]) as call:
        call.llm.register_function("check_stock", check_stock, cancel_on_interruption=False)
        await call.says("Any left?")
        await call.reply(1)
        await call.says("And the price?")
        await call.reply(2)
        result.set()
        await call.reply(3)
        await call.says("Thanks.")
        await call.reply(4)
    assert '{\\"stock\\": 3}' in phone.requests[2].messages[0]["content"]
    assert [m["content"] for m in phone.requests[2].messages if m["role"] == "tool"] == ['{"stock": 3}']
    assert [(role, words) for role, words in phone.asked() if role != "tool"] == [
        ("user", "Any left?"),
        ("assistant", "I'm checking."),
        ("user", "And the price?"),
        ("assistant", "Sure."),
        ("assistant", "There are three."),
        ("user", "Thanks."),
    ]


async def test_words_during_a_tool_of_the_client_cancel_it(phone: Phone) -> None:
    async def check_stock(params: FunctionCallParams) -> None:
        """Check the stock."""
        await asyncio.Event().wait()

    phone.backend.add(CHECK, text("Sure."), text("Bye."))
    async with call_of(phone, tools=[check_stock]) as call:
        await call.says("Any left?")
        await call.until(lambda: "IN_PROGRESS" in str(call.context.messages))
        await call.says("Never mind.")
        await call.reply(2)
        await call.says("Thanks.")
        await call.reply(3)
    assert phone.asked() == [
        ("user", "Any left?"),
        ("assistant", "I'm checking."),
        ("tool", "CANCELLED"),
        ("user", "Never mind."),
        ("assistant", "Sure."),
        ("user", "Thanks."),
    ]
