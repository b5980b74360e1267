"""A tool that takes longer than any client waits for a byte."""

import livekit_over_http
import pipecat_bot
import pytest
from livekit_audio import Call
from openai_server import ToolCall, text, tool_calls
from pipecat_call import PipecatCall
from served_phone import Phone
from wire import wire

SECONDS = 15
LOOKING = tool_calls([ToolCall("look_up", f'{{"pre_exec_msg": "I look it up.", "seconds": {SECONDS}}}')])


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"model_attempts": "1", "filler": "Still looking."}


async def test_livekit_waits_for_it_in_one_request_and_hears_one_filler(phone: Phone) -> None:
    phone.backend.add(LOOKING, text("Found it."), text("Bye."))
    async with (
        wire(phone.url) as line,
        Call(livekit_over_http.new_llm(phone.thread, url=line.url)) as call,
    ):
        call.says("Look it up.")
        assert await call.reply(1, within=SECONDS + 15) == "I look it up. Still looking. Found it."
        assert not call.errors
        assert len(line.requests) == 1
        print(f"the longest gap on the wire was {line.longest_gap:.2f} s")
        assert line.longest_gap < 1.5
        call.says("Thanks.")
        await call.reply(2)
    assert phone.runs.read_text() == "looked up\n"
    assert [words for role, words in phone.asked() if role == "user"] == ["Look it up.", "Thanks."]


async def test_pipecat_waits_for_it_in_one_request_and_hears_one_filler(phone: Phone) -> None:
    phone.backend.add(LOOKING, text("Found it."), text("Bye."))
    async with (
        wire(phone.url) as line,
        PipecatCall(pipecat_bot.new_llm(phone.thread, url=line.url)) as call,
    ):
        await call.says("Look it up.")
        assert await call.reply(1, within=SECONDS + 15) == "I look it up. Still looking. Found it."
        assert not call.errors
        assert len(line.requests) == 1
        assert line.longest_gap < 1.5
        await call.says("Thanks.")
        await call.reply(2)
    assert phone.runs.read_text() == "looked up\n"
    assert [words for role, words in phone.asked() if role == "user"] == ["Look it up.", "Thanks."]
