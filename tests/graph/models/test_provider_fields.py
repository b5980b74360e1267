"""What a model sends beside words and calls goes back to it alone, and is never spoken."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from calling import CALL
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from open_voice import OpenVoice
from openai_server import OpenAIServer, Reply, text
from openai_server.strict_servers import following, wants_back

from voicegraph.graph import build_graph, stream_turn
from voicegraph.nodes import Speech, TurnFinished
from voicegraph.state import Actor

ARGUMENTS = '{"pre_exec_msg": "Let me look.", "city": "Rome"}'
SECRET = "The user wants Rome."


async def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"Sunny in {city}."


def events(*deltas: Mapping[str, Any]) -> Reply:
    """Return a reply of these deltas, as server-sent events."""
    chunks = [{"id": "1", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Reply(body=body, headers={"content-type": "text/event-stream"})


def tool_call(**extra: Any) -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": ARGUMENTS}
    return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function, **extra}]}


def signed(message: dict[str, Any]) -> bool:
    return message["tool_calls"][0].get("extra_content") == {"google": {"thought_signature": "c2lnbmVk"}}


PROVIDERS: dict[str, tuple[Reply, Callable[[dict[str, Any]], bool]]] = {
    "a thought signature of a call": (
        events(tool_call(extra_content={"google": {"thought_signature": "c2lnbmVk"}})),
        signed,
    ),
    "reasoning content": (
        events({"reasoning_content": "The user "}, {"reasoning_content": "wants Rome."}, tool_call()),
        lambda message: message.get("reasoning_content") == SECRET,
    ),
    "reasoning details": (
        events(
            {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "The user "}]},
            {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "wants Rome."}]},
            {"reasoning_details": [{"type": "reasoning.text", "index": 0, "signature": "abc"}]},
            tool_call(),
        ),
        lambda message: (
            message.get("reasoning_details")
            == [{"type": "reasoning.text", "index": 0, "text": SECRET, "signature": "abc"}]
        ),
    ),
}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_fields_of_a_provider_go_back_to_it_in_this_turn_and_the_next(
    provider: str, open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, is_back = PROVIDERS[provider]

    def answer(body: dict[str, Any]) -> Reply:
        return first if len(body["messages"]) == 2 else text("Sunny.")

    server = OpenAIServer(default=following(answer, wants_back(is_back, "it must be passed back")))
    with server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice("openai:test", tools=[get_weather]) as resources:
            graph = build_graph(resources)
            turn = [event async for event in stream_turn(graph, "The weather?", CALL)]
            later = [event async for event in stream_turn(graph, "Thanks.", CALL)]
            history = await resources.store.messages.history(Actor(), "call-42")
    heard = "".join(event.content for event in turn if isinstance(event, Speech))
    assert heard == "Let me look. Sunny."
    assert isinstance(later[-1], TurnFinished)
    assert len(server.requests) == 3
    assert SECRET not in str(history)


async def test_another_model_gets_nothing_of_it(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = PROVIDERS["reasoning content"]

    def answer(body: dict[str, Any]) -> Reply:
        if body["model"] == "second":
            return text("From the second.")
        return first if len(body["messages"]) == 2 else Reply(status=503, body="")

    with OpenAIServer(default=answer) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        options = {"fallback_models": ("openai:second",), "model_attempts": 1}
        async with open_voice("openai:first", tools=[get_weather], **options) as resources:
            async for _ in stream_turn(build_graph(resources), "The weather?", CALL):
                pass
    assert server.requests[-1].body["model"] == "second"
    assert SECRET in str(server.requests[-2].messages)
    assert SECRET not in str(server.requests[-1].messages)


async def test_a_server_that_refuses_such_a_field_is_asked_without_it(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openai_server.strict_servers import without_fields

    first, _ = PROVIDERS["reasoning content"]

    def answer(body: dict[str, Any]) -> Reply:
        return first if len(body["messages"]) == 2 else text("Sunny.")

    def refuse(body: dict[str, Any]) -> Reply | None:
        rule = without_fields("reasoning_content", text="property '{}' is unsupported")
        return next((found for message in body["messages"] if (found := rule(message))), None)

    with OpenAIServer(default=following(answer, refuse)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        async with open_voice("openai:test", tools=[get_weather]) as resources:
            graph = build_graph(resources)
            turn = [event async for event in stream_turn(graph, "The weather?", CALL)]
            async for _ in stream_turn(graph, "Thanks.", CALL):
                pass
    assert "".join(event.content for event in turn if isinstance(event, Speech)) == "Let me look. Sunny."
    assert len(server.requests) == 4


class ThinkingModel(BaseChatModel):
    """A chat model whose thoughts are blocks of the content, as Anthropic's are."""

    requests: list[list[BaseMessage]] = []

    @property
    def _llm_type(self) -> str:
        return "thinking"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise AssertionError

    async def _astream(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.requests.append(messages)
        if len(self.requests) > 1:
            yield ChatGenerationChunk(message=AIMessageChunk(content="Sunny."))
            return
        for block in (
            {"type": "thinking", "thinking": "The user ", "index": 0},
            {"type": "thinking", "thinking": "wants Rome.", "index": 0},
            {"type": "thinking", "signature": "abc", "index": 0},
            {"type": "text", "text": "Well.", "index": 1},
        ):
            yield ChatGenerationChunk(message=AIMessageChunk(content=[block]))
        call = tool_call_chunk(name="get_weather", args=ARGUMENTS, id="call_1", index=2)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))


async def test_thinking_blocks_go_back_before_the_words_of_their_reply(open_voice: OpenVoice) -> None:
    model = ThinkingModel(requests=[])
    async with open_voice(model, tools=[get_weather]) as resources:
        graph = build_graph(resources)
        turn = [event async for event in stream_turn(graph, "The weather?", CALL)]
    heard = "".join(event.content for event in turn if isinstance(event, Speech))
    assert heard == "Well. Let me look. Sunny."
    reply = next(message for message in model.requests[1] if isinstance(message, AIMessage))
    thought, words = reply.content
    assert isinstance(thought, dict) and isinstance(words, dict)
    assert (thought["thinking"], thought["signature"]) == (SECRET, "abc")
    assert words["text"] == "Well."
    assert [call["name"] for call in reply.tool_calls] == ["get_weather"]
