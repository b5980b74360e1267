"""Tool calls that a model wrote as text, left there by servers that do not know its format.

The formats are those of Hermes, Qwen, Mistral, Llama, DeepSeek, Kimi, GLM and Harmony.
"""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import orjson

from ...text.json_values import is_list, is_object, list_of, object_of
from .call_assembly import MOST_CALLS

_DECODER = json.JSONDecoder(strict=False)
_PARAMETER = re.compile(r"<parameter(?:=|\s+name=)[\"']?([\w.-]+)[\"']?\s*>|<arg_key>")
_VALUE_TAG = re.compile(r"\s*<arg_value>")
_OPENING = re.compile(r"[{\[]")
_MOST_BROKEN = 30
"""Maximum number of positions in a block that look like JSON but are not."""
_FENCE = re.compile(r"```\w*\s*")
_KEYS = ("name", "type", "function", "tool", "tool_name", "tool_calls", "parameters", "arguments", "id")
_NAME = re.compile(r'"(?:name|tool|tool_name|function)"\s*:\s*"([^"]*)"')
_LONGEST = 20_000
_NAMES = ("name", "tool", "tool_name", "function_name")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input")


def written_calls(block: str, offered: Collection[str]) -> list[tuple[str, str]]:
    """Return names and arguments of the calls in a block of text, only of offered tools."""
    found: list[tuple[str, str]] = []
    begin = 0
    for start, end, value in _values(block):
        calls = list(_calls_in(value, offered))
        before = block[begin:start]
        if not calls and is_object(value) and "{" not in before:  # Not part of invalid arguments.
            name = _name_in(before, offered)
            calls = [(name, _text(value))] if name else []
        found += calls
        begin = end
        if len(found) > MOST_CALLS:
            break
    return found or _with_parameters(block, offered)


def may_be_call(text: str, offered: Collection[str]) -> bool:
    """Return whether a reply that starts like this may be only a call in JSON, without tags."""
    if not offered or len(text) > _LONGEST:
        return False
    begun = _FENCE.sub("", text.lstrip(), count=1)
    if begun in ("", "`", "``", "["):
        return True
    begun = begun.removeprefix("[").lstrip()
    if not "{".startswith(begun[:1]):
        return False
    quote, key = begun[1:].lstrip()[:1], begun[1:].lstrip()[1:]
    key, closed, _ = key.partition('"')
    if not '"'.startswith(quote) or not any(
        known == key or known.startswith(key + closed) for known in _KEYS
    ):
        return False
    name = _NAME.search(begun)
    return name is None or _known(name[1], offered) is not None


def _values(block: str) -> Iterator[tuple[int, int, Any]]:
    """Yield the JSON objects and lists in a text, with their positions."""
    at = broken = 0
    while broken < _MOST_BROKEN and (match := _OPENING.search(block, at)) is not None:
        try:
            value, at = _DECODER.raw_decode(block, match.start())
            yield match.start(), at, value
        except (ValueError, RecursionError):
            at = match.end()
            broken += 1


def _calls_in(value: Any, offered: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the calls in a JSON value: `{"name": ..., "arguments": ...}`, or a list of such objects."""
    if is_list(value):
        for item in value:
            yield from _calls_in(item, offered)
        return
    fields = object_of(value)
    inner = object_of(fields.get("function")) or fields
    for call in list_of(fields.get("tool_calls")):
        yield from _calls_in(call, offered)
    name = next((inner[key] for key in _NAMES if isinstance(inner.get(key), str)), fields.get("function"))
    if isinstance(name, str) and (known := _known(name, offered)):
        arguments: Any = next((inner[key] for key in _ARGUMENTS if key in inner), "")
        yield known, arguments if isinstance(arguments, str) else _text(arguments)


def _with_parameters(block: str, offered: Collection[str]) -> list[tuple[str, str]]:
    """Return the calls whose arguments are written in tags, one tag per argument."""
    found: list[tuple[str, dict[str, Any]]] = []
    begin = 0
    for start, end, key, value in _parameters(block):
        name = _name_in(block[begin:start], offered)
        if name:
            found.append((name, {}))
        if found:
            found[-1][1][key.strip()] = _value(value)
        begin = end
    bare = re.sub(r"<(?:function=)?([^<>]*)>", r" \1 ", block).split()
    if not found and (name := _name_in(block, offered)) and set(bare) <= {name, "tool_call", "/tool_call"}:
        found.append((name, {}))
    return [(name, _text(arguments)) for name, arguments in found]


def _parameters(block: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield the arguments written in tags: start, end, name and text."""
    at = 0
    while (tag := _PARAMETER.search(block, at)) is not None:
        at = tag.end()
        if tag[1]:
            key, end = tag[1], block.find("</parameter>", at)
            value = block[at:end].removeprefix("\n").removesuffix("\n")
            closed = end + len("</parameter>")
        else:
            key_end = block.find("</arg_key>", at)
            opened = _VALUE_TAG.match(block, key_end + len("</arg_key>")) if key_end >= 0 else None
            if opened is None:
                if key_end < 0:
                    return
                continue
            key, end = block[at:key_end], block.find("</arg_value>", opened.end())
            value, closed = block[opened.end() : end], end + len("</arg_value>")
        if end < 0:
            return
        yield tag.start(), closed, key, value
        at = closed


def _name_in(text: str, offered: Collection[str]) -> str | None:
    """Return the last offered name in a text."""
    words = re.findall(r"[\w.-]+", text)
    return next((known for word in reversed(words) if (known := _known(word, offered))), None)


def _known(name: str, offered: Collection[str]) -> str | None:
    bare = name.removeprefix("functions.").removeprefix("functions_")
    return next((known for known in (name, bare) if known in offered), None)


def _value(text: str) -> Any:
    """Return the value in a tag: JSON for objects and lists; the tool's schema converts text."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return text


def _text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):
        return json.dumps(value)
