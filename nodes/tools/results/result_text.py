"""Text for the model from any result of a tool."""

import json
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langgraph.types import Command, Send

from ..failures import Unsupported
from .content_blocks import block_text
from .plain_data import PlainData, fields_of, words_for
from .safe_text import safe_text

_MOST_CHARACTERS = 200_000
"""Maximum characters converted of one result; the model sees less, and the event loop must not block."""
_MOST_OF_DATA = 60_000
"""The same for data that becomes JSON, which takes longer."""
_LOOKED_AT = 100
"""Number of list elements checked for unsupported values."""
_MOST_BLOCKS = 10_000
_MOST_KEYS = 20
"""Keys of a content block."""
_MCP_RESULT = {"content", "isError", "structuredContent", "meta", "_meta"}


def result_text(value: Any) -> str:
    """Return a result as text: itself, JSON, or a description of anything else.

    Raises `Unsupported` for a `Command` or a generator.
    """
    try:
        text = safe_text(_text(value))
    except Unsupported:
        raise
    except Exception:  # An unknown class, during the first checks.
        text = words_for(value)
    if text.strip():
        return text
    return "(only blanks)" if text or (isinstance(value, str) and value) else ""


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value[: _MOST_CHARACTERS + 1])
    _refuse(value)
    if isinstance(value, BaseMessage):
        value = value.content
        if isinstance(value, str):
            return value
    parts = _blocks(value)
    if parts is not None:
        return "\n".join(parts)
    plain = PlainData(_MOST_OF_DATA).of(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _refuse(value: Any) -> None:
    several = cast(Sequence[object], value)[:_LOOKED_AT] if isinstance(value, list | tuple) else ()
    for each in (cast(object, value), *several):
        name = type(each).__name__
        if issubclass(type(each), Command | Send):
            raise Unsupported(f"a {name} is not supported as a result: return text or data for the model")
        if issubclass(type(each), Iterator | AsyncIterator | Awaitable):
            raise Unsupported(f"a {name} is not supported as a result: return the whole result")


def _blocks(value: Any) -> list[str] | None:
    """Return the texts of content blocks, `None` for any other value."""
    if not isinstance(value, list | tuple):
        return _of_record(value)
    items = cast(Sequence[Any], value)
    texts: list[str] = []
    only_text, size = True, 0
    for item in items if len(items) <= _MOST_BLOCKS else ():
        block = _of_block(item)
        only_text = only_text and block is None
        text = item if block is None and type(item) is str else block
        if text is None:
            return None
        texts += [text] if text else []
        size += len(text)
        if size > _MOST_CHARACTERS:
            break
    return None if only_text else texts


def _of_record(value: Any) -> list[str] | None:
    """Return the text of a single block, or of the result of an MCP call."""
    text = _of_block(value)
    if text is not None:
        return [text]
    fields = _fields(value)
    if fields is None or "content" not in fields or not fields.keys() <= _MCP_RESULT or len(fields) < 2:
        return None
    return _blocks(fields["content"]) if isinstance(fields["content"], list) else None


def _of_block(value: Any) -> str | None:
    fields = _fields(value)
    return (
        None
        if fields is None
        else block_text({k: _fields(v) or v for k, v in fields.items() if v is not None})
    )


def _fields(value: Any) -> Mapping[str, Any] | None:
    """Return the fields of a record, such as one of the MCP library's blocks."""
    try:
        if value is None or isinstance(value, str | int | float | bytes | list | tuple):
            return None
        fields = fields_of(value)
    except Exception:
        return None
    if not fields or len(fields) > _MOST_KEYS:
        return None
    return fields if all(isinstance(key, str) for key in fields) else None
