"""Tools and settings that clients send with a request: what reaches the model, and under which names."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from open_voice import OpenVoice
from openai_server import OpenAIServer, Reply, ToolCall, text, tool_calls
from served_app import Serve

from voicegraph.graph import build_graph
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor

URL = "/v1/chat/completions"
HI = {"messages": [{"role": "user", "content": "Hi."}], "thread_id": "t"}


def lamp(name: str = "lamp", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}, **function}}


async def asked(serve: Serve, backend: OpenAIServer, **body: Any) -> dict[str, Any]:
    """Return the body of the model's request for a client's request with these fields."""
    async with serve("openai:m") as served, served.client() as client:
        answer = await client.post(URL, content=json.dumps({**HI, **body}))
        assert answer.status_code == 200, answer.text
    return backend.requests[0].body


def names(body: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in body.get("tools", [])]


NAMED = {"type": "function", "function": {"name": "lamp"}}
CHOICES: dict[str, tuple[Any, Any]] = {
    "required": ("required", "required"),
    "any": ("any", "required"),
    "named": (NAMED, NAMED),
    "named in the flat form": ({"type": "function", "name": "lamp"}, NAMED),
    "allowed and required": (
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
        "required",
    ),
}


@pytest.mark.parametrize(("choice", "sent"), CHOICES.values(), ids=CHOICES)
async def test_a_choice_of_the_clients_tools_is_passed_on(
    serve: Serve, backend: OpenAIServer, choice: Any, sent: Any
) -> None:
    backend.add(tool_calls([ToolCall("lamp", id="c1")]))
    body = await asked(serve, backend, tools=[lamp()], tool_choice=choice, parallel_tool_calls=False)
    assert (body["tool_choice"], body["parallel_tool_calls"], names(body)) == (sent, False, ["lamp"])


@pytest.mark.parametrize("choice", ["auto", None, 7, "sometimes", {"type": "function"}, {}], ids=repr)
async def test_without_a_choice_all_tools_are_offered(
    serve: Serve, backend: OpenAIServer, choice: Any
) -> None:
    body = await asked(serve, backend, tools=[lamp()], tool_choice=choice)
    assert "tool_choice" not in body
    assert names(body) == ["current_time", "recall_memory", "lamp"]


async def test_a_choice_of_none_means_the_clients_tools(serve: Serve, backend: OpenAIServer) -> None:
    body = await asked(serve, backend, tools=[lamp()], tool_choice="none")
    assert names(body) == ["current_time", "recall_memory"]
    assert "tool_choice" not in body


async def test_only_allowed_tools_are_offered(serve: Serve, backend: OpenAIServer) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}
    body = await asked(serve, backend, tools=[lamp(), lamp("door")], tool_choice=choice)
    assert names(body) == ["current_time", "recall_memory", "lamp"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "current_time"}}])
async def test_a_choice_that_is_of_no_tool_of_the_client_is_not_passed_on(
    serve: Serve, backend: OpenAIServer, choice: Any
) -> None:
    body = await asked(serve, backend, tool_choice=choice)
    assert "tool_choice" not in body
    assert names(body) == ["current_time", "recall_memory"]


async def test_a_required_tool_is_required_in_the_first_step_alone(
    serve: Serve, backend: OpenAIServer
) -> None:
    backend.add(tool_calls([ToolCall("current_time")]), text("Noon."))
    async with serve("openai:m") as served, served.client() as client:
        await client.post(URL, json={**HI, "tools": [lamp()], "tool_choice": "required"})
    first, second = (request.body for request in backend.requests)
    assert first["tool_choice"] == "required"
    assert "tool_choice" not in second
    assert names(second) == ["current_time", "recall_memory", "lamp"]


async def test_tools_are_not_required_in_the_last_step(serve: Serve, backend: OpenAIServer) -> None:
    async with serve("openai:m", max_steps=1) as served, served.client() as client:
        asked_for = {"tools": [lamp()], "tool_choice": "required", "parallel_tool_calls": True}
        await client.post(URL, json={**HI, **asked_for})
    body = backend.requests[0].body
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


SCHEMA = {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}}}
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "temperature": ({"temperature": 0}, {"temperature": 0}),
    "top_p": ({"top_p": 0.5}, {"top_p": 0.5}),
    "max_tokens": ({"max_tokens": 99}, {"max_completion_tokens": 99}),
    "max_completion_tokens": ({"max_completion_tokens": 99.0}, {"max_completion_tokens": 99}),
    "stop": ({"stop": "END"}, {"stop": ["END"]}),
    "several stops": ({"stop": ["A", "B"]}, {"stop": ["A", "B"]}),
    "seed": ({"seed": 7}, {"seed": 7}),
    "penalties": (
        {"frequency_penalty": -1, "presence_penalty": 1.5},
        {"frequency_penalty": -1, "presence_penalty": 1.5},
    ),
    "a JSON object": (
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_object"}},
    ),
    "a JSON schema": ({"response_format": SCHEMA}, {"response_format": SCHEMA}),
    "effort": (
        {"reasoning_effort": "low", "verbosity": "low"},
        {"reasoning_effort": "low", "verbosity": "low"},
    ),
    "parallel calls of the agent's tools": ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
}


@pytest.mark.parametrize(("given", "sent"), SETTINGS.values(), ids=SETTINGS)
async def test_settings_of_the_client_reach_the_model(
    serve: Serve, backend: OpenAIServer, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    body = await asked(serve, backend, **given)
    assert {name: body.get(name) for name in sent} == sent


ILL_FORMED: list[dict[str, Any]] = [
    {"temperature": "hot"},
    {"temperature": True},
    {"temperature": 40},
    {"temperature": float("nan")},
    {"top_p": -1},
    {"max_tokens": 0},
    {"max_tokens": 1.5},
    {"max_tokens": None},
    {"max_tokens": 10**400},
    {"stop": 7},
    {"stop": ["", None]},
    {"seed": "x"},
    {"response_format": "json"},
    {"response_format": {"type": "json_schema", "json_schema": 1}},
    {"response_format": {"type": "text"}},
    {"reasoning_effort": ["low"]},
    {"reasoning_effort": {"x": 1}},
    {"parallel_tool_calls": "no"},
    {"n": 3, "logprobs": True, "logit_bias": {"1": 2}, "modalities": ["audio"], "store": True},
    {"tools": "lamp"},
    {"tools": [None, 1, {}, {"type": "web_search"}, {"type": "function", "function": {"name": 1}}]},
    {"functions": {"name": "lamp"}},
]


@pytest.mark.parametrize("given", ILL_FORMED, ids=repr)
async def test_settings_that_are_ill_formed_or_mean_nothing_here_are_ignored(
    serve: Serve, backend: OpenAIServer, given: dict[str, Any]
) -> None:
    body = await asked(serve, backend, **given)
    assert set(body) == {"model", "messages", "stream", "stream_options", "tools", "user"}
    assert names(body) == ["current_time", "recall_memory"]


async def test_a_client_can_make_replies_shorter_than_the_agents_limit_and_not_longer(
    serve: Serve, backend: OpenAIServer
) -> None:
    async with serve("openai:m") as served, served.client() as client:
        await served.resources.store.agents.create(
            Actor(), "brief", model_settings={"max_completion_tokens": 100, "temperature": 0.2}
        )
        for most in (50, 5000):
            await client.post(URL, json={**HI, "model": "brief", "max_tokens": most, "temperature": 1})
    sent = [
        (request.body["max_completion_tokens"], request.body["temperature"]) for request in backend.requests
    ]
    assert sent == [(50, 1), (100, 1)]


TOOLS: dict[str, tuple[dict[str, Any], str]] = {
    "a digit in front": ({"tools": [lamp("2fa_check")]}, "2fa_check"),
    "a dot": ({"tools": [lamp("calendar.create")]}, "calendar.create"),
    "a blank and a slash": ({"tools": [lamp("my tool/x")]}, "my tool/x"),
    "another script": ({"tools": [lamp("свет")]}, "свет"),
    "seventy characters": ({"tools": [lamp("x" * 70)]}, "x" * 70),
    "the flat form": (
        {"tools": [{"type": "function", "name": "lamp", "parameters": {"type": "object"}}]},
        "lamp",
    ),
    "without a type": ({"tools": [{"function": {"name": "lamp"}}]}, "lamp"),
    "without parameters": ({"tools": [{"type": "function", "function": {"name": "lamp"}}]}, "lamp"),
    "parameters that are none": ({"tools": [lamp(parameters=None)]}, "lamp"),
    "parameters without a type": ({"tools": [lamp(parameters={"properties": {}})]}, "lamp"),
    "a description that is no text": ({"tools": [lamp(description=7, strict="yes")]}, "lamp"),
    "half a character": ({"tools": [lamp(description="a\ud83d")]}, "lamp"),
    "Anthropic's form": ({"tools": [{"name": "lamp", "input_schema": {"type": "object"}}]}, "lamp"),
    "functions": ({"functions": [{"name": "lamp.on", "parameters": {}}]}, "lamp.on"),
    "required by its own name": (
        {
            "tools": [lamp("lamp.on")],
            "tool_choice": {"type": "function", "function": {"name": "lamp.on"}},
        },
        "lamp.on",
    ),
}


def call_of_the_last_tool(body: dict[str, Any]) -> Reply:
    return tool_calls([ToolCall(names(body)[-1], '{"on": true}', id="c1")])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("body", "own"), TOOLS.values(), ids=TOOLS)
async def test_a_clients_tool_is_offered_under_a_legal_name_and_called_under_its_own(
    serve: Serve, backend: OpenAIServer, body: dict[str, Any], own: str, stream: bool
) -> None:
    backend.add(call_of_the_last_tool, text("It is on."))
    async with serve("openai:m") as served, served.client() as client:
        answer = await client.post(URL, content=json.dumps({**HI, **body, "stream": stream}))
        if stream:
            chunks = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
            [call] = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", [])]
        else:
            [call] = answer.json()["choices"][0]["message"]["tool_calls"]
        assert call["function"] == {"name": own, "arguments": '{"on":true}'}
        told = [
            *HI["messages"],
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ]
        again = {**HI, **body, "messages": told, "tool_choice": "auto"}
        answer = await client.post(URL, content=json.dumps(again))
    assert answer.json()["choices"][0]["message"]["content"] == "It is on."
    offered = names(backend.requests[0].body)[-1]
    assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_-]{0,63}", offered)
    told_again = backend.requests[1].messages[2]["tool_calls"][0]["function"]["name"]
    assert told_again == names(backend.requests[1].body)[-1] == offered
    assert [message["role"] for message in backend.requests[1].messages[1:]] == ["user", "assistant", "tool"]


async def test_tools_whose_names_become_the_same_are_told_apart(serve: Serve, backend: OpenAIServer) -> None:
    backend.add(call_of_the_last_tool)
    async with serve("openai:m") as served, served.client() as client:
        answer = await client.post(URL, json={**HI, "tools": [lamp("a.b"), lamp("a/b"), lamp("a b")]})
    assert len(set(names(backend.requests[0].body))) == 5
    [call] = answer.json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "a b"


async def test_a_tool_that_is_called_by_the_clients_own_name_for_it_is_found(
    serve: Serve, backend: OpenAIServer
) -> None:
    backend.add(tool_calls([ToolCall("lamp.on")]))
    async with serve("openai:m") as served, served.client() as client:
        answer = await client.post(URL, json={**HI, "tools": [lamp("lamp.on")]})
    [call] = answer.json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "lamp.on"


ACCOUNT = 123456789012345678901
WITH_ACCOUNT = {"type": "object", "properties": {"account": {"$ref": "#/$defs/Account"}, "note": {}}}
DEFINITIONS: dict[str, tuple[Any, Any]] = {
    "an integer": ({"Account": {"type": "integer"}}, ACCOUNT),
    "a text": ({"Account": {"type": "string"}}, str(ACCOUNT)),
}


@pytest.mark.parametrize("side_call", [False, True], ids=["in a turn", "beside it"])
@pytest.mark.parametrize(("definitions", "given"), DEFINITIONS.values(), ids=DEFINITIONS)
async def test_a_number_of_21_digits_reaches_the_clients_tool_in_the_type_of_its_schema(
    serve: Serve, backend: OpenAIServer, definitions: Any, given: Any, side_call: bool
) -> None:
    arguments = f'{{"account": {ACCOUNT}, "note": {ACCOUNT}}}'
    backend.add(tool_calls([ToolCall("pay", arguments, id="c1")]))
    tool = lamp("pay", parameters={**WITH_ACCOUNT, "$defs": definitions})
    async with serve("openai:m") as served, served.client() as client:
        answer = await client.post(URL, json={**HI, "tools": [tool], "side_call": side_call})
    [call] = answer.json()["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"account": given, "note": str(ACCOUNT)}


async def test_a_schema_that_is_nested_without_end_takes_any_object(
    serve: Serve, backend: OpenAIServer
) -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"in": schema}}
    body = await asked(serve, backend, tools=[lamp(parameters=schema)])
    assert body["tools"][-1]["function"]["parameters"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_of_the_first_protocol_finds_its_call_as_a_function_call(
    serve: Serve, backend: OpenAIServer, stream: bool
) -> None:
    backend.add(tool_calls([ToolCall("lamp", '{"on": true}')]))
    async with serve("openai:m") as served, served.client() as client:
        body = {**HI, "functions": [{"name": "lamp"}], "function_call": "auto", "stream": stream}
        answer = await client.post(URL, json=body)
    if stream:
        chunks = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: {")]
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        [call] = [c["delta"]["function_call"] for c in choices if "function_call" in c["delta"]]
        reason = choices[-1]["finish_reason"]
    else:
        [choice] = answer.json()["choices"]
        call, reason = choice["message"]["function_call"], choice["finish_reason"]
    assert (call, reason) == ({"name": "lamp", "arguments": '{"on":true}'}, "function_call")


async def test_tools_and_settings_are_taken_in_process_too(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["Hello."])
    turn: Any = {
        "messages": [("user", "Hi.")],
        "client_tools": [{"name": "lamp.on"}],
        "client_settings": {"tool_choice": "required", "temperature": 0.1, "seed": "x"},
    }
    async with open_voice(model) as resources:
        await build_graph(resources).ainvoke(turn, {"configurable": {"thread_id": "t"}})
    assert model.requests[0].tools == ["lamp_on"]
    sent = {"tool_choice": "required", "temperature": 0.1, "user": "default"}
    assert model.requests[0].settings == sent


async def test_a_watched_model_gets_the_answers_form_too(serve: Serve, backend: OpenAIServer) -> None:
    """With a callback LangChain streams, and would have the SDK refuse tools that are not strict."""
    from langchain_core.callbacks import AsyncCallbackHandler

    async with serve("openai:m") as served:
        turn: Any = {
            "messages": [("user", "Hi.")],
            "client_tools": [lamp()],
            "client_settings": {"response_format": SCHEMA},
        }
        config: Any = {"configurable": {"thread_id": "t"}, "callbacks": [AsyncCallbackHandler()]}
        await build_graph(served.resources).ainvoke(turn, config)
    assert backend.requests[0].body["response_format"] == SCHEMA


async def test_a_setting_that_the_models_server_refuses_costs_no_turn(
    serve: Serve, backend: OpenAIServer
) -> None:
    message = "Unsupported parameter: 'reasoning_effort' is not supported with this model."
    error = {"message": message, "type": "invalid_request_error", "param": "reasoning_effort", "code": None}
    backend.add(Reply(status=400, body=json.dumps({"error": error})), text("Hello."))
    async with serve("openai:m") as served, served.client() as client:
        answer = await client.post(URL, json={**HI, "reasoning_effort": "low"})
    assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    assert "reasoning_effort" not in backend.requests[1].body


async def test_a_model_that_calls_no_tools_gets_no_choice_of_them(
    serve: Serve, backend: OpenAIServer
) -> None:
    async with serve("openai:m") as served, served.client() as client:
        model = served.resources.models.get(None)
        served.resources.models._made["openai:m"] = replace(model, calls_tools=False)
        asked_for = {"tools": [lamp()], "tool_choice": "required", "parallel_tool_calls": False}
        await client.post(URL, json={**HI, **asked_for})
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(backend.requests[0].body)
