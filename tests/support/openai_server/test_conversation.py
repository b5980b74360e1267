"""What OpenAI refuses is refused: conversations, tools and request bodies."""

from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from openai_server import OpenAIServer, text, validate_messages, validate_request, validate_strict_schema

USER = {"role": "user", "content": "Hi"}


def calling(*ids: str, **more: Any) -> dict[str, Any]:
    function = {"name": "clock", "arguments": "{}"}
    calls = [{"id": identity, "type": "function", "function": function} for identity in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def result(identity: str, content: Any = "12:00") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def call_with(**fields: Any) -> dict[str, Any]:
    call = {"id": "a", "type": "function", "function": {"name": "clock", "arguments": "{}"}, **fields}
    return {"role": "assistant", "tool_calls": [call]}


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [{"role": "system", "content": ""}, {"role": "developer", "content": "x"}, USER, USER],
        [USER, calling("a", "b"), result("b"), result("a"), {"role": "assistant", "content": "Noon."}, USER],
        [USER, calling("a", content="One moment."), result("a", "")],
        [USER, calling("a"), result("a"), calling("a"), result("a")],
        [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "refusal": "No."},
        ],
    ],
)
def test_a_conversation_that_openai_accepts_has_no_violations(messages: list[dict[str, Any]]) -> None:
    assert validate_messages(messages) == []


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], "Invalid 'messages': empty array"),
        ([USER, calling("a", "b"), result("a"), USER], "did not have response messages: b"),
        ([USER, calling("a")], "did not have response messages: a"),
        ([USER, calling("a"), USER, result("a")], "did not have response messages: a"),
        ([USER, result("a")], "must be a response to a preceeding message"),
        ([USER, calling("a"), result("a"), result("a")], "must be a response to a preceeding message"),
        ([USER, calling("a"), result("b"), result("a")], "tool_call_id 'b'"),
        ([USER, calling("a", "a"), result("a")], "Duplicate value for 'tool_call_id' of 'a'"),
        ([USER, calling()], "Invalid 'messages[1].tool_calls': empty array"),
        ([USER, {"role": "assistant", "content": None}], "Invalid value for 'messages[1].content'"),
        ([USER, {"role": "assistant", "content": ""}], "Invalid value for 'messages[1].content'"),
        ([{"role": "human", "content": "Hi"}], "Invalid value: 'human'. Supported values are: 'system'"),
        ([{"role": "user", "content": " "}], "must not be empty"),
        ([{"role": "user", "content": None}], "but got null instead"),
        ([{"role": "user", "content": "Hi", "name": "Ada L"}], "Invalid 'messages[0].name'"),
        ([calling("a"), result("a", {"time": 12})], "but got dict instead"),
        ([calling("x" * 41), result("x" * 41)], "maximum length 40"),
        ([call_with(function={"name": "a b", "arguments": "{}"}), result("a")], "function.name'"),
        ([call_with(function={"name": "clock", "arguments": {}}), result("a")], "function.arguments'"),
        ([call_with(type=None), result("a")], "tool_calls[0].type"),
        ([call_with(id=""), result("")], "Missing required parameter: 'messages[0].tool_calls[0].id'"),
        (["Hi"], "expected an object"),
    ],
)
def test_a_conversation_that_openai_refuses_is_named_with_its_place(
    messages: list[Any], expected: str
) -> None:
    assert any(expected in violation for violation in validate_messages(messages))


def strict_tool(parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "clock", "strict": True, "parameters": parameters}}


def an_object(**properties: Any) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


TEXT = {"type": "string"}
ACCEPTED = an_object(
    zone={"anyOf": [TEXT, {"type": "null"}]},
    list={"type": "array", "items": an_object(a={"$ref": "#/$defs/A"})},
)


def test_a_strict_schema_that_openai_accepts_has_no_violations() -> None:
    assert (
        validate_strict_schema("clock", {**ACCEPTED, "$defs": {"A": {"enum": ["x"], "type": "string"}}}) == []
    )


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "must be a JSON Schema of 'type: \"object\"'"),
        (
            {**an_object(a=TEXT), "additionalProperties": True},
            "In context=(), 'additionalProperties' is required",
        ),
        ({**an_object(a=TEXT, b=TEXT), "required": ["a"]}, "Missing 'b'"),
        ({**an_object(a=TEXT), "required": ["a", "z"]}, "names 'z'"),
        (an_object(a={"type": "object"}), "In context=('properties', 'a'), 'additionalProperties'"),
        (an_object(a={"type": "array", "items": {"type": "object"}}), "('properties', 'a', 'items')"),
        (an_object(a={"anyOf": [{"type": "object"}, TEXT]}), "('properties', 'a', 'anyOf', '0')"),
        (an_object(a={"type": "array"}), "array schema missing items"),
        (an_object(a={"title": "A"}), "schema must have a 'type' key"),
        (an_object(a={**TEXT, "default": "x"}), "'default' is not permitted"),
        (an_object(a={"$ref": "#/$defs/A", "description": "x"}), "$ref cannot have keywords ['description']"),
    ],
)
def test_a_strict_schema_that_openai_refuses_is_named(parameters: dict[str, Any], expected: str) -> None:
    body = {"model": "m", "messages": [USER], "tools": [strict_tool(parameters)]}
    assert any(expected in violation for violation in validate_request(body))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"model": None}, "model parameter"),
        ({"messages": None}, "Missing required parameter: 'messages'"),
        ({"tools": []}, "Invalid 'tools': empty array"),
        ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
        ({"tools": [strict_tool(an_object())] * 2}, "Tool names must be unique"),
    ],
)
def test_a_body_that_openai_refuses_is_named(more: dict[str, Any], expected: str) -> None:
    assert any(
        expected in violation for violation in validate_request({"model": "m", "messages": [USER], **more})
    )


async def test_the_server_refuses_it_with_400_and_keeps_its_reply() -> None:
    async with OpenAIServer(text("Hi")) as server:
        async with AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
            messages: Any = [USER, result("a")]
            with pytest.raises(openai.BadRequestError, match="preceeding message"):
                await client.chat.completions.create(model="m", messages=messages)
    assert (server.unused, server.violations) == (1, server.requests[0].violations)
    with pytest.raises(AssertionError, match="preceeding message"):
        server.check()


async def test_a_server_that_is_not_strict_takes_it() -> None:
    async with OpenAIServer(text("Hi"), strict=False) as server, httpx.AsyncClient() as client:
        body = {"model": "m", "messages": [result("a")]}
        answer = await client.post(f"{server.base_url}/chat/completions", json=body)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"model": "m", "messages": [{"role": "user", "content": "\\ud83d"}]}']
)
async def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    async with OpenAIServer(text("Hi")) as server, httpx.AsyncClient() as client:
        answer = await client.post(f"{server.base_url}/chat/completions", content=body)
    assert answer.status_code == 400 and "could not parse the JSON body" in answer.json()["error"]["message"]
