"""Tool calls that models write into their words."""

import json

import pytest

from voicegraph.nodes.model.stream.written_calls import written_calls

OFFERED = ("get_weather", "now")
ROME = '{"city": "Rome"}'
WRITTEN = {
    "Hermes, Qwen": '<tool_call>\n{"name": "get_weather", "arguments": %s}\n',
    "arguments as text": '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Rome\\"}"}',
    "OpenAI's form": '<tool_call>{"type": "function", "function": {"name": "get_weather", "arguments": %s}}',
    "Mistral": '[TOOL_CALLS][{"name": "get_weather", "arguments": %s}]',
    "Mistral, newer": "[TOOL_CALLS]get_weather[ARGS]%s",
    "Llama": "<function=get_weather>%s",
    "Llama 3": '<|python_tag|>{"name": "get_weather", "parameters": %s}',
    "Qwen Coder": "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n</function>\n",
    "GLM": "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n",
    "Anthropic": '<invoke name="get_weather"><parameter name="city">Rome</parameter></invoke>',
    "DeepSeek": "<\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>get_weather\n"
    "```json\n%s\n```",
    "Kimi": "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>%s<|tool_call_end|>",
    "Harmony": "assistant commentary to=functions.get_weather  json\n%s",
    "Gemma": "<|tool_call>call:get_weather%s",
}


@pytest.mark.parametrize("form", WRITTEN)
def test_a_written_call_is_understood(form: str) -> None:
    ((name, arguments),) = written_calls(WRITTEN[form].replace("%s", ROME), OFFERED)
    assert (name, json.loads(arguments)) == ("get_weather", {"city": "Rome"})


def test_several_calls_may_be_written_at_once() -> None:
    block = '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Rome"}}, {"name": "now"}]'
    assert [name for name, _ in written_calls(block, OFFERED)] == ["get_weather", "now"]


def test_a_name_alone_is_a_call_without_arguments() -> None:
    assert written_calls("<tool_call>now", OFFERED) == [("now", "{}")]


@pytest.mark.parametrize(
    "block",
    [
        '<tool_call>{"name": "fly", "arguments": {}}',
        '<tool_call>{"name": "get_weather", "arguments": {"city": "Rome"',
        '<tool_call>{"name": "get_weather", "arguments": {"where": {"city": "Rome"}',
        "<tool_call>I would call get_weather now",
        "<tool_call>" + "[" * 100_000,
        "<tool_call>",
        "",
    ],
    ids=["not offered", "cut off", "cut off behind an object", "words", "too deep", "nothing", "empty"],
)
def test_anything_else_is_no_call(block: str) -> None:
    assert written_calls(block, OFFERED) == []
