"""Completions read raw from the OpenAI client, beside LangChain's own way through the same model."""

import inspect
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import LLMResult
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables.config import var_child_runnable_config
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from openai_server import OpenAIServer, Reply, error, rate_limited, text

from voicegraph.nodes.model.catalog import VoiceModel
from voicegraph.nodes.model.completion import Request, stream_completion
from voicegraph.nodes.model.request.request_form import OPENAI, LearnedForm
from voicegraph.nodes.model.stream.delta import Delta
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.state.errors import ModelUnavailable

CONVERSATION: list[AnyMessage] = [
    SystemMessage("You are Vox."),
    HumanMessage("Hello?", name="ada"),
    AIMessage("Hi.", additional_kwargs={"created_at": 1.0}),
    HumanMessage("How is Rome?"),
    AIMessage("", tool_calls=[{"name": "get_weather", "args": {"city": "Rom\u00e9"}, "id": "call_1"}]),
    ToolMessage(
        "Sunny.", tool_call_id="call_1", name="get_weather", additional_kwargs={"outcome": "success"}
    ),
    SystemMessage("Tell the result."),
]


async def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


class AnyChatModel(ChatOpenAI):
    """A class that the fast path does not know."""


class Calls:
    """Asks models that a server plays, and closes their connections behind the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.server = stack.enter_context(OpenAIServer(default=text("Hello there.")))

    async def model(self, kind: type[ChatOpenAI] = ChatOpenAI, **fields: Any) -> ChatOpenAI:
        client = await self._stack.enter_async_context(httpx2.AsyncClient(timeout=None))
        fields = {"model": "test", "max_retries": 0, "stream_usage": True} | fields
        fields |= {"base_url": self.server.base_url, "api_key": "key", "http_async_client": client}
        return kind(**fields)

    async def ask(
        self,
        chat: Any,
        messages: list[AnyMessage] = CONVERSATION,
        tools: tuple[Any, ...] = (),
        **settings: Any,
    ) -> list[Delta]:
        request = Request(prompt="", window=messages, tools=tools, user="ada", settings=settings)
        model = VoiceModel(name="openai:test", chat=chat, learned=LearnedForm(OPENAI))
        return [delta async for delta in stream_completion(model, request)]

    @property
    def raw(self) -> bool:
        """True when the bytes of the last answer were asked for."""
        return self.server.requests[-1].headers.get("x-stainless-raw-response") == "stream"


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    async with AsyncExitStack() as stack:
        yield Calls(stack)


def spoken(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


WEATHER = (load_tool(get_weather),)
SENT: dict[str, tuple[dict[str, Any], tuple[Any, ...], dict[str, Any]]] = {
    "nothing special": ({}, (), {}),
    "tools": ({}, WEATHER, {}),
    "sampling": (
        {"temperature": 0.2, "seed": 7, "max_tokens": 50, "top_p": 0.9, "stop": ["END"]},
        (),
        {"frequency_penalty": 0.5},
    ),
    "settings over those of the model": ({"temperature": 0.2}, WEATHER, {"temperature": 0.7, "stop": ["x"]}),
    "keyword arguments": (
        {"model_kwargs": {"prompt_cache_key": "a", "parallel_tool_calls": False}},
        WEATHER,
        {},
    ),
    "an extra body": ({"extra_body": {"top_k": 4, "seed": 1}, "seed": 3}, (), {}),
    "an effort": ({"reasoning_effort": "low", "verbosity": "low", "service_tier": "priority"}, (), {}),
    "a model that takes developer messages": ({"model": "o3"}, (), {"max_tokens": 9}),
    "no usage": ({"stream_usage": False}, (), {}),
    "headers": ({"default_headers": {"x-team": "voice"}, "default_query": {"v": "1"}}, (), {}),
    "an organization": ({"organization": "org-1"}, (), {}),
}


@pytest.mark.parametrize("name", SENT)
async def test_the_request_is_the_one_that_langchain_would_send(name: str, calls: Calls) -> None:
    fields, tools, settings = SENT[name]
    await calls.ask(await calls.model(**fields), tools=tools, **settings)
    assert calls.raw
    await calls.ask(await calls.model(AnyChatModel, **fields), tools=tools, **settings)
    assert not calls.raw
    ours, langchains = calls.server.requests
    assert ours.body == langchains.body
    own = {"x-stainless-raw-response", "idempotency-key", "content-length"}
    assert {**langchains.headers, **dict.fromkeys(own)} == {**ours.headers, **dict.fromkeys(own)}


class Watching(AsyncCallbackHandler):
    """Notes what a tracer would send off."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.usage: Any = None

    async def on_llm_new_token(self, token: str, **_: Any) -> None:
        self.tokens.append(token)

    async def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        generation: Any = response.generations[0][0]
        self.usage = generation.message.usage_metadata


async def test_a_tracer_sees_each_call_with_its_tokens_and_usage(calls: Calls) -> None:
    watching = Watching()
    var_child_runnable_config.set({"callbacks": [watching]})
    assert spoken(await calls.ask(await calls.model())) == "Hello there."
    assert "".join(watching.tokens) == "Hello there."
    assert watching.usage["total_tokens"] == 30


async def test_a_tracer_of_the_model_itself_sees_each_call(calls: Calls) -> None:
    watching = Watching()
    await calls.ask(await calls.model(callbacks=[watching]))
    assert "".join(watching.tokens) == "Hello there."


async def test_a_tracer_around_the_client_sees_its_parsed_chunks(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openai.resources.chat.completions import AsyncCompletions

    original, seen = AsyncCompletions.create, list[Any]()

    async def traced(self: Any, *args: Any, **kwargs: Any) -> Any:
        stream = await original(self, *args, **kwargs)
        seen.append(type(stream).__name__)
        return stream

    monkeypatch.setattr(AsyncCompletions, "create", traced)
    assert spoken(await calls.ask(await calls.model())) == "Hello there."
    assert seen == ["AsyncStream"]


ORDINARY: dict[str, dict[str, Any]] = {
    "streaming switched off": {"disable_streaming": True},
    "a limiter": {"rate_limiter": InMemoryRateLimiter(requests_per_second=1000, check_every_n_seconds=0.001)},
    "headers of the answer": {"include_response_headers": True},
    "patience of its own": {"stream_chunk_timeout": 5.0},
}


@pytest.mark.parametrize("name", ORDINARY)
async def test_what_only_langchain_can_do_is_left_to_it(name: str, calls: Calls) -> None:
    assert spoken(await calls.ask(await calls.model(**ORDINARY[name]))) == "Hello there."
    assert not calls.raw


async def test_a_form_for_the_answer_is_sent_as_it_is(calls: Calls) -> None:
    form = {"response_format": {"type": "json_object"}}
    assert spoken(await calls.ask(await calls.model(model_kwargs=form))) == "Hello there."
    assert calls.raw
    assert calls.server.requests[-1].body["response_format"] == {"type": "json_object"}


async def test_pictures_are_put_into_their_form_by_langchain(calls: Calls) -> None:
    picture: Any = {"type": "image", "source_type": "url", "url": "https://example.com/cat.png"}
    await calls.ask(await calls.model(), [HumanMessage([picture])])
    assert calls.raw
    assert calls.server.requests[-1].messages[0]["content"][0]["type"] == "image_url"


async def test_another_protocol_is_left_to_langchain(calls: Calls) -> None:
    with pytest.raises(Exception, match="openai:test"):
        await calls.ask(await calls.model(use_responses_api=True))
    assert calls.server.requests == []  # It asked another path.


WHOLE = {
    "one completion": (
        '{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi."},"finish_reason":"stop"}],'
        '"usage":{"prompt_tokens":3,"completion_tokens":1}}'
    ),
    "one chunk": '{"choices":[{"index":0,"delta":{"content":"Hi."},"finish_reason":"stop"}]}',
}


@pytest.mark.parametrize("name", WHOLE)
async def test_a_server_that_does_not_stream_is_heard(name: str, calls: Calls) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    calls.server.add(Reply(status=200, body=WHOLE[name], headers=headers))
    (delta,) = await calls.ask(await calls.model())
    assert (delta.text, delta.finish_reason) == ("Hi.", "stop")


async def test_an_error_with_a_good_status_may_be_tried_again(calls: Calls) -> None:
    headers = {"content-type": "application/json"}
    calls.server.add(Reply(status=200, body='{"error": {"message": "no"}}', headers=headers))
    with pytest.raises(ModelUnavailable, match="inside its answer"):
        await calls.ask(await calls.model())


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("size", [1, 2, 7])
async def test_bytes_may_be_cut_anywhere(size: int, newline: str, calls: Calls) -> None:
    calls.server.add(text("Grüße\u2028aus 😀 Köln.", split_bytes=size, newline=newline))
    assert spoken(await calls.ask(await calls.model())) == "Grüße\u2028aus 😀 Köln."


async def test_one_connection_serves_all_calls(calls: Calls) -> None:
    chat, opened = await calls.model(), list[str]()

    async def note(event: str, _: Any) -> None:
        opened.extend([event] if event == "connection.connect_tcp.started" else [])

    async def watch(request: httpx2.Request) -> None:
        request.extensions["trace"] = note

    client: Any = chat.http_async_client
    client.event_hooks["request"].append(watch)
    for _ in range(3):
        await calls.ask(chat)
    assert opened == ["connection.connect_tcp.started"]


@pytest.mark.parametrize("refusal", [rate_limited, lambda: error(500)], ids=["429", "500"])
async def test_the_client_does_not_try_again_by_itself(refusal: Callable[[], Reply], calls: Calls) -> None:
    calls.server.add(refusal())
    with pytest.raises(ModelUnavailable):
        await calls.ask(await calls.model(max_retries=5))
    assert len(calls.server.requests) == 1


async def test_a_client_that_is_not_the_models_own_is_not_passed_by(calls: Calls) -> None:
    chat = await calls.model()
    async with AsyncOpenAI(base_url=calls.server.base_url, api_key="other", max_retries=0) as other:
        chat.async_client = other.chat.completions
        await calls.ask(chat)
    assert calls.server.requests[-1].headers["authorization"] == "Bearer other"


class Gone:
    """An attribute that is gone for our code, and that LangChain still finds."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        frame = sys._getframe(1)
        while frame.f_back and frame.f_globals["__name__"].startswith("pydantic."):
            frame = frame.f_back  # It looks a second time for what is missing.
        if frame.f_globals["__name__"].startswith("voicegraph."):
            raise AttributeError
        return self._original.__get__(instance, owner)


@pytest.mark.parametrize(
    "name", ["_should_stream", "_should_stream_usage", "_get_request_payload", "_uses_gateway"]
)
async def test_without_a_private_attribute_langchain_answers_and_one_line_says_so(
    name: str, calls: Calls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chat = await calls.model()
    monkeypatch.setattr("voicegraph.nodes.model.request.openai_request._missed", set())
    original = inspect.getattr_static(ChatOpenAI, name)
    monkeypatch.setattr(ChatOpenAI, name, Gone(original), raising=False)
    assert [spoken(await calls.ask(chat)) for _ in range(2)] == ["Hello there."] * 2
    assert not calls.raw
    assert [record.args for record in caplog.records if "no longer" in record.msg] == [(name,)]


async def test_without_the_client_inside_a_client_langchain_answers(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chat = await calls.model()
    monkeypatch.setattr("voicegraph.nodes.model.request.openai_request._missed", set())
    client = chat.async_client
    chat.async_client = SimpleNamespace(create=client.create, with_raw_response=client.with_raw_response)
    assert spoken(await calls.ask(chat)) == "Hello there."
    assert [record.args for record in caplog.records if "no longer" in record.msg] == [("_client",)]
