"""The scripted model, which users have for their own tests, streams what a real one streams."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.tools import tool

from voicegraph.nodes.testing import ScriptedCall, ScriptedChatModel, ScriptedReply, ScriptEnded, calls
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.state.errors import ModelUnavailable


def get_weather(city: str) -> str:
    """Tell the weather."""
    return city


async def chunks_of(model: Any, text: str = "Hi.") -> list[AIMessageChunk]:
    return [chunk async for chunk in model.astream([HumanMessage(text)])]


def whole(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    return add_ai_message_chunks(*chunks)


async def test_a_text_comes_word_by_word_with_finish_reason_and_usage() -> None:
    chunks = await chunks_of(ScriptedChatModel(["Hello Ada, how are you?"]))
    assert [chunk.text for chunk in chunks if chunk.text] == ["Hello", " Ada,", " how", " are", " you?"]
    message = whole(chunks)
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 5


@given(st.text().filter(str.strip))
def test_any_text_comes_whole(text: str) -> None:
    chunks = asyncio.run(chunks_of(ScriptedChatModel([text])))
    assert "".join(str(chunk.text) for chunk in chunks) == text


async def test_a_call_comes_in_fragments() -> None:
    model = ScriptedChatModel([calls("get_weather", "Let me look.", id="call_7", city="Köln")])
    chunks = await chunks_of(model)
    fragments = [part for chunk in chunks for part in chunk.tool_call_chunks]
    assert len(fragments) > 5
    assert [part["name"] for part in fragments if part["name"]] == ["get_weather"]
    message = whole(chunks)
    (call,) = message.tool_calls
    assert call["args"] == {"pre_exec_msg": "Let me look.", "city": "Köln"}
    assert list(call["args"]) == ["pre_exec_msg", "city"]
    assert call["id"] == "call_7"
    assert message.response_metadata["finish_reason"] == "tool_calls"


async def test_text_and_several_calls_come_in_one_reply() -> None:
    reply = ScriptedReply(
        text="Both, then.",
        calls=[ScriptedCall(name="a", arguments='{"x": 1}'), ScriptedCall(name="b", arguments='{"x": 2')],
        finish_reason="length",
        fragment=3,
    )
    message = whole(await chunks_of(ScriptedChatModel([reply])))
    assert message.text == "Both, then."
    assert [part["args"] for part in message.tool_call_chunks] == ['{"x": 1}', '{"x": 2']
    assert len({part["id"] for part in message.tool_call_chunks}) == 2
    assert message.response_metadata["finish_reason"] == "length"


async def test_replies_come_in_order_and_then_the_script_has_ended() -> None:
    model = ScriptedChatModel(["One.", "Two."])
    assert [(await model.ainvoke("?")).text for _ in range(2)] == ["One.", "Two."]
    with pytest.raises(ScriptEnded, match="only 2 replies"):
        await model.ainvoke("?")


async def test_a_function_may_choose_the_reply_by_what_it_is_asked() -> None:
    model = ScriptedChatModel(lambda messages: f"You said {messages[-1].text}")
    assert (await model.ainvoke("one")).text == "You said one"
    assert (await model.ainvoke("two")).text == "You said two"
    model.assert_done()


async def test_an_exception_of_the_script_is_raised() -> None:
    with pytest.raises(ModelUnavailable, match="down"):
        await chunks_of(ScriptedChatModel([ModelUnavailable("down")]))


async def test_a_reply_may_break_off_with_an_error() -> None:
    heard: list[str] = []
    model = ScriptedChatModel([ScriptedReply(text="Well, I", error=ModelUnavailable("down"))])
    with pytest.raises(ModelUnavailable):
        async for chunk in model.astream("?"):
            heard.append(str(chunk.text))
    assert heard == ["Well,", " I"]


async def test_a_reply_may_be_held_until_the_test_lets_it_go() -> None:
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two three", hold=hold, hold_after=2)])
    stream: Any = model.astream("?")
    assert [(await anext(stream)).text, (await anext(stream)).text] == ["One", " two"]
    third = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    assert not third.done()
    hold.set()
    assert (await third).text == " three"
    await stream.aclose()


async def test_requests_are_recorded_with_their_tools_and_settings() -> None:
    @tool
    def get_news(topic: str) -> str:
        """Tell the news."""
        return topic

    model = ScriptedChatModel(["Hi."])
    bound = model.bind_tools([load_tool(get_weather).describe(strict=True), get_news, get_weather])
    await bound.ainvoke([SystemMessage("Be kind."), HumanMessage("Hi.")], temperature=0.3, user="ada")
    (request,) = model.requests
    assert [message.text for message in request.messages] == ["Be kind.", "Hi."]
    assert request.tools == ["get_weather", "get_news", "get_weather"]
    assert request.settings["temperature"] == 0.3
    assert request.settings["user"] == "ada"


async def test_replies_that_were_not_asked_for_are_found() -> None:
    model = ScriptedChatModel(["One.", "Two."])
    await model.ainvoke("?")
    with pytest.raises(AssertionError, match="1 replies"):
        model.assert_done()


def test_it_answers_without_asyncio_too() -> None:
    model = ScriptedChatModel(["Hello.", calls("get_weather", city="Rome"), ModelUnavailable("down")])
    assert isinstance(model, BaseChatModel)
    assert model.invoke("?").text == "Hello."
    answer = model.invoke("?")
    assert isinstance(answer, AIMessage)
    assert answer.tool_calls[0]["args"] == {"city": "Rome"}
    with pytest.raises(ModelUnavailable):
        model.invoke("?")
