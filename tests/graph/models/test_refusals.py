"""A server refuses a request: the caller is answered or hears why not, and the next turn works."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from calling import CALL, user_says
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from open_voice import OpenVoice
from openai_server import OpenAIServer, Reply, ToolCall, bad_request, error, invalid_key, text, tool_calls
from openai_server.strict_servers import (
    alternating,
    filtered,
    following,
    mistral,
    mixed_strict,
    no_strict,
    no_tools,
    short_call_ids,
    silent,
    system_first,
    text_only,
    too_long,
    unprocessable,
    without_fields,
)
from patience import PATIENCE

from voicegraph.graph import build_graph, interrupt, stream_turn
from voicegraph.nodes import Speech, ToolStarted, TurnFailed, TurnFinished
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state import Actor
from voicegraph.state.errors import ModelRefused

APOLOGY = TurnLimits().apology
FILTERED = TurnLimits().filtered_reply
POISON = "xyzzy"


class AnyChatModel(ChatOpenAI):
    """A chat model that the fast path does not know: LangChain streams it."""

    def _get_ls_params(self, *args: Any, **kwargs: Any) -> Any:
        return super()._get_ls_params(*args, **kwargs)


@asynccontextmanager
async def made_model(stream: str) -> AsyncIterator[Any]:
    """Give the same model, whose answers are read raw or come through LangChain."""
    if stream == "raw":
        yield "openai:test"
        return
    async with httpx2.AsyncClient(timeout=None) as client:
        yield AnyChatModel(
            model="test",
            max_retries=0,
            stream_usage=True,
            stream_chunk_timeout=None,
            http_async_client=client,
        )


@pytest.fixture(params=["raw", "by LangChain"])
def stream(request: pytest.FixtureRequest) -> str:
    return request.param


@dataclass
class Phone:
    """A caller of one thread, and the server that plays the model."""

    graph: Any
    server: OpenAIServer

    async def say(self, words: Any) -> tuple[str, Any]:
        """Run a turn; return all that was spoken, and its last event."""
        events = [event async for event in stream_turn(self.graph, words, CALL)]
        return "".join(event.content for event in events if isinstance(event, Speech)), events[-1]

    @property
    def requests(self) -> list[str]:
        """All requests so far, as text."""
        return [str(request.body["messages"]) for request in self.server.requests]

    async def record(self) -> list[str]:
        history = await self.graph.resources.store.messages.history(Actor(), "call-42")
        return [record.text for record in history if record.role == "user"]


@pytest.fixture
def phone(open_voice: OpenVoice, stream: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return how to open a call with a model whose server follows these rules."""

    @asynccontextmanager
    async def open_it(
        *rules: Any, answer: Callable[[dict[str, Any]], Reply] = lambda _: text("Fine."), **options: Any
    ) -> AsyncIterator[Phone]:
        with OpenAIServer(default=following(answer, *rules), strict=False) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
            monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
            async with made_model(stream) as model, open_voice(model, **options) as resources:
                yield Phone(build_graph(resources), server)

    return open_it


async def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


async def read_page(address: str) -> str:
    """Read a page."""
    return f"It says {POISON}."


async def book(options: dict[str, str]) -> str:
    """Book, with any options."""
    return "Booked."


def weather_then(words: str) -> Callable[[dict[str, Any]], Reply]:
    """Answer with a tool call first, then with words, for each question about the weather."""

    def answer(body: dict[str, Any]) -> Reply:
        last = next(m for m in reversed(body["messages"]) if m["role"] in ("user", "tool"))
        if body.get("tools") and last["role"] == "user" and "eather" in str(last["content"]):
            call = ToolCall("get_weather", '{"pre_exec_msg": "Let me look.", "city": "Rome"}')
            return tool_calls([call])
        return text(words)

    return answer


ORDERS = {"system first": system_first, "roles in turns": alternating, "Mistral": mistral}


@pytest.mark.parametrize("server", ORDERS)
async def test_each_turn_with_a_tool_is_answered_whatever_order_a_template_wants(
    server: str, phone: Callable[..., Any]
) -> None:
    async with phone(ORDERS[server], answer=weather_then("Sunny."), tools=[get_weather]) as call:
        first, _ = await call.say("The weather?")
        second, _ = await call.say("And the weather now?")
        third, end = await call.say("Thanks.")
    assert (first, second, third) == ("Let me look. Sunny.", "Let me look. Sunny.", "Sunny.")
    assert isinstance(end, TurnFinished)


@pytest.mark.parametrize("server", ORDERS)
async def test_a_call_that_the_agent_opens_is_answered(server: str, phone: Callable[..., Any]) -> None:
    async with phone(ORDERS[server]) as call:
        greeting = [
            event
            async for event in call.graph.astream(
                {"history": [{"role": "system", "content": "Greet the caller."}]}, CALL, stream_mode="custom"
            )
        ]
        heard, end = await call.say("Hello!")
        again, _ = await call.say("What time is it?")
    assert greeting[0]["content"] == "Fine."
    assert (heard, again) == ("Fine.", "Fine.")
    assert isinstance(end, TurnFinished)


@pytest.mark.parametrize("server", ORDERS)
async def test_a_turn_after_an_unanswered_one_is_answered(server: str, phone: Callable[..., Any]) -> None:
    history = [
        {"role": "assistant", "content": "Hello, who is there?"},
        {"role": "user", "content": "Ada."},
        {"role": "user", "content": "Ada Lovelace."},
        {"role": "system", "content": "Be brief."},
    ]
    async with phone(ORDERS[server]) as call:
        parts = [
            part["content"]
            async for part in call.graph.astream({"history": history}, CALL, stream_mode="custom")
            if part["type"] == "speech"
        ]
    assert "".join(parts) == "Fine."
    assert "Be brief." in call.requests[-1]


async def test_a_turn_after_an_interrupted_tool_is_answered_by_a_server_that_wants_a_reply_between(
    phone: Callable[..., Any],
) -> None:
    running = asyncio.Event()

    async def get_slowly(city: str) -> str:
        """Tell the weather of a city, slowly."""
        running.set()
        await asyncio.Event().wait()
        return city

    call_it = tool_calls([ToolCall("get_slowly", '{"pre_exec_msg": "Let me look.", "city": "Rome"}')])
    answer = lambda body: call_it if len(body["messages"]) == 2 else text("Fine.")  # noqa: E731
    async with asyncio.timeout(PATIENCE), phone(mistral, answer=answer, tools=[get_slowly]) as call:
        turn = stream_turn(call.graph, "The weather?", CALL)
        async for event in turn:
            if isinstance(event, ToolStarted):
                break
        await running.wait()
        await interrupt(call.graph, "call-42", "Let me look.")
        await turn.aclose()
        heard, _ = await call.say("Never mind. What time is it?")
        again, _ = await call.say("And now?")
    assert (heard, again) == ("Fine.", "Fine.")


FIELDS = {
    "422 with a loc": lambda body: unprocessable("stream_options") if "stream_options" in body else None,
    "400 in words": without_fields("stream_options", "user"),
    "400 with quotes": without_fields("stream_options", text="property '{}' is unsupported"),
    "400 without words": silent(without_fields("stream_options", "user")),
    "no tools": no_tools,
    "mixed strict": mixed_strict,
    "no strict": no_strict,
    "no strict, without words": silent(no_strict),
}


@pytest.mark.parametrize("server", FIELDS)
async def test_what_a_server_refuses_is_left_out_and_learned_once(
    server: str, phone: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with phone(FIELDS[server], tools=[get_weather, book]) as call:
            heard = [(await call.say(words))[0] for words in ("One.", "Two.", "Three.")]
            asked = len(call.requests)
    assert heard == ["Fine."] * 3
    assert asked <= 5
    assert len([record for record in caplog.records if "later requests" in record.message]) <= 1


async def test_a_wrong_value_is_left_out_of_its_request_alone(phone: Callable[..., Any]) -> None:
    def refuse(body: dict[str, Any]) -> Reply | None:
        if body.get("temperature") == 9:
            return error(400, "invalid_value", "temperature must be between 0 and 2", param="temperature")
        return None

    async with phone(refuse) as call:
        agents = call.graph.resources.store.agents
        await call.say("Hello.")
        for temperature in (9, 0.5):
            await agents.update(Actor(), "default", {"model_settings": {"temperature": temperature}})
            assert (await call.say("And now?"))[0] == "Fine."
    sent = [request.body.get("temperature") for request in call.server.requests]
    assert sent == [None, 9, None, 0.5]


FILTERS = {
    "Azure": filtered(POISON),
    "in words": filtered(POISON, None, "Your input was flagged as violating our usage policy."),
    "DashScope": filtered(POISON, "data_inspection_failed", "Input data may contain inappropriate content."),
}


@pytest.mark.parametrize("server", FILTERS)
async def test_words_that_a_filter_refuses_leave_the_window_and_stay_in_the_record(
    server: str, phone: Callable[..., Any]
) -> None:
    async with phone(FILTERS[server]) as call:
        await call.say("Remember blue.")
        heard, end = await call.say(f"Say {POISON}.")
        asked = len(call.requests)
        after, _ = await call.say("What time is it?")
        record = await call.record()
    assert heard == FILTERED
    assert isinstance(end, TurnFinished)
    assert end.finish_reason == "content_filter"
    assert after == "Fine."
    assert len(call.requests) == asked + 1
    assert POISON not in call.requests[-1]
    assert "Remember blue." in call.requests[-1]
    assert record == ["Remember blue.", f"Say {POISON}.", "What time is it?"]


async def test_a_result_that_a_filter_refuses_is_withheld_and_stays_in_the_record(
    phone: Callable[..., Any],
) -> None:
    def answer(body: dict[str, Any]) -> Reply:
        last = body["messages"][-1]
        if body.get("tools") and last["role"] == "user" and "page" in str(last["content"]):
            return tool_calls([ToolCall("read_page", '{"pre_exec_msg": "Let me read.", "address": "a"}')])
        return text("Fine.")

    async with phone(filtered(POISON), answer=answer, tools=[read_page]) as call:
        heard, end = await call.say("Read the page.")
        after, _ = await call.say("Thanks.")
        history = await call.graph.resources.store.messages.history(Actor(), "call-42")
    assert heard == "Let me read. Fine."
    assert isinstance(end, TurnFinished)
    assert after == "Fine."
    assert POISON not in call.requests[-1]
    assert [record.text for record in history if record.role == "tool"] == [f"It says {POISON}."]


@pytest.mark.parametrize("reason", ["filter", "unknown", "without words"])
async def test_older_words_that_are_refused_leave_the_window(reason: str, phone: Callable[..., Any]) -> None:
    rule = filtered(POISON) if reason == "filter" else filtered(POISON, "bad", "Something odd.")
    history = [
        {"role": "user", "content": f"I said {POISON}."},
        {"role": "assistant", "content": "You did."},
        {"role": "user", "content": "What time is it?"},
    ]
    async with phone(silent(rule) if reason == "without words" else rule) as call:
        parts = [part async for part in call.graph.astream({"history": history}, CALL, stream_mode="custom")]
        asked = len(call.requests)
        after, _ = await call.say("And now?")
        record = await call.record()
    assert parts[0]["content"] == "Fine."
    assert after == "Fine."
    assert len(call.requests) == asked + 1
    assert record == [f"I said {POISON}.", "What time is it?", "And now?"]


LONG = {
    "OpenAI": error(400, "context_length_exceeded", "This model's maximum context length is 10 tokens."),
    "vLLM": error(
        400, None, "The decoder prompt (length 9000) is longer than the maximum model length of 8."
    ),
    "Anthropic": error(400, None, "prompt is too long: 210000 tokens > 200000 maximum"),
    "without words": Reply(status=400, body=""),
    "a 500": error(500),
    "a 413": Reply(status=413, body="<html>Request Entity Too Large</html>"),
}


@pytest.mark.parametrize("server", LONG)
async def test_a_conversation_that_is_too_long_is_cut_and_goes_on(
    server: str, phone: Callable[..., Any]
) -> None:
    async with phone(too_long(4000, LONG[server]), model_attempts=1) as call:
        heard = [(await call.say("word " * 150 + str(number)))[0] for number in range(9)]
        last, end = await call.say("Thanks.")
        record = await call.record()
    assert heard == ["Fine."] * 9
    assert last == "Fine."
    assert isinstance(end, TurnFinished)
    assert len(record) == 10


async def test_words_that_are_too_long_by_themselves_do_not_end_the_thread(phone: Callable[..., Any]) -> None:
    async with phone(too_long(4000, LONG["OpenAI"])) as call:
        heard, end = await call.say("word " * 2000)
        after, _ = await call.say("Hello?")
    assert heard == APOLOGY
    assert isinstance(end, TurnFailed)
    assert after == "Fine."
    assert len(call.requests[-1]) < 4000


async def test_a_picture_that_a_model_does_not_take_is_described(phone: Callable[..., Any]) -> None:
    picture = HumanMessage(
        [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        ]
    )
    async with phone(text_only) as call:
        heard, end = await call.say(picture)
        after, _ = await call.say("Thanks.")
    assert (heard, after) == ("Fine.", "Fine.")
    assert isinstance(end, TurnFinished)
    assert "[image]" in call.requests[-1]


async def test_calls_that_a_server_refuses_for_their_ids_are_sent_in_words(phone: Callable[..., Any]) -> None:
    async with phone(short_call_ids, answer=weather_then("Sunny."), tools=[get_weather]) as call:
        heard, _ = await call.say("The weather?")
        after, end = await call.say("Thanks.")
        history = await call.graph.resources.store.messages.history(Actor(), "call-42")
    assert heard == "Let me look. Sunny."
    assert after == "Sunny."
    assert isinstance(end, TurnFinished)
    assert [record.role for record in history[:4]] == ["user", "assistant", "tool", "assistant"]


async def test_what_an_old_checkpoint_holds_and_cannot_be_sent_is_described(
    phone: Callable[..., Any],
) -> None:
    async with phone() as call:
        await call.say("Hello.")
        bad = [
            HumanMessage([{"type": "image", "data": b"abc"}], id="bytes"),
            AIMessage("half \udce4 a character", id="half"),
        ]
        await call.graph.aupdate_state(CALL, {"messages": bad}, as_node="persist_and_trim")
        heard, end = await call.say("What time is it?")
    assert heard == "Fine."
    assert isinstance(end, TurnFinished)
    assert "[image]" in call.requests[-1]


@pytest.mark.parametrize("refusal", [invalid_key, bad_request], ids=["401", "400 for everything"])
async def test_a_refusal_of_everything_is_spoken_and_keeps_the_words(
    refusal: Callable[[], Reply], phone: Callable[..., Any]
) -> None:
    refused = [True]
    async with phone(lambda _: refusal() if refused[0] else None) as call:
        heard, end = await call.say("Hello?")
        refused[0] = False
        after, _ = await call.say("And now?")
        record = await call.record()
    assert heard == APOLOGY
    assert isinstance(end, TurnFailed)
    assert "sk-" not in end.message
    assert after == "Fine."
    assert record == ["Hello?", "And now?"]


async def test_who_asks_for_the_error_of_the_model_gets_it_when_all_is_spoken_and_stored(
    phone: Callable[..., Any],
) -> None:
    async with phone(lambda _: invalid_key(), raise_errors=True) as call:
        with pytest.raises(ModelRefused, match="check the key") as caught:
            await call.graph.ainvoke(user_says("Hello?"), CALL)
        record = await call.record()
    assert "sk-" not in str(caught.value)
    assert record == ["Hello?"]


async def test_a_failed_turn_shows_in_what_invoke_returns(phone: Callable[..., Any]) -> None:
    async with phone(lambda _: invalid_key()) as call:
        result = await call.graph.ainvoke(user_says("Hello?"), CALL)
    assert result["turn"]["outcome"] == "failed"
    assert result["messages"][-1].text == APOLOGY
