"""What a tool returned, as text for the model: nothing is lost, nothing raises, all of it can be sent."""

import asyncio
import base64
import re
from collections import OrderedDict, deque, namedtuple
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Command, Send
from pydantic import BaseModel, SecretStr

from voicegraph.nodes.tools.failures import Unsupported
from voicegraph.nodes.tools.result_text import result_text
from voicegraph.nodes.tools.safe_text import cut, safe_text

DATA = base64.b64encode(bytes(12_345)).decode()


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Person(BaseModel):
    name: str
    born: date | None = None
    key: SecretStr = SecretStr("sk-1")


@dataclass
class Order:
    number: int
    lines: list[str] = field(default_factory=list)


Pair = namedtuple("Pair", "left right")


class Plain:
    def __init__(self) -> None:
        self.password = "hunter2"


class Shown:
    def __str__(self) -> str:
        return "shown"


class Addressed:
    def __repr__(self) -> str:
        return f"<Addressed at {id(self):#x}>"


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Lying:
    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise RuntimeError("no class")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Sunny.", "Sunny."),
        ("", ""),
        (" \n", "(only blanks)"),
        ("a\x00b\x07", "ab"),
        ("\x00", "(only blanks)"),
        ("report_\udce4.txt", "report_\ufffd.txt"),
        ("\ud83d\ude00", "😀"),
        (None, "null"),
        (True, "true"),
        (42, "42"),
        (3.5, "3.5"),
        (float("nan"), "nan"),
        (10**5000, "[an object of type int]"),
        (Decimal("12.50"), "12.50"),
        (b"Sunny.", "Sunny."),
        (b"\xff\xfe", "[binary, 2 bytes]"),
        (Colour.RED, "red"),
        (Level.HIGH, "3"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("/tmp/a"), "/tmp/a"),
        (date(2026, 11, 28), "2026-11-28"),
        (datetime(2026, 11, 28, 9, 5, tzinfo=UTC), "2026-11-28T09:05:00+00:00"),
        (timedelta(minutes=5), "0:05:00"),
        ([], "[]"),
        ({}, "{}"),
        ([1, "two", None], '[1, "two", null]'),
        (["Rome", "Oslo"], '["Rome", "Oslo"]'),
        ((1, 2), "[1, 2]"),
        ({1}, "[1]"),
        (frozenset({"a"}), '["a"]'),
        (deque([1]), "[1]"),
        (range(3), "[0, 1, 2]"),
        ({"a": 1}.keys(), '["a"]'),
        ({"city": "Köln", "days": 2}, '{"city": "Köln", "days": 2}'),
        ({1: "a", None: "b", (2, 3): "c"}, '{"1": "a", "None": "b", "[2, 3]": "c"}'),
        ({"x": float("inf"), "y": float("nan")}, '{"x": "inf", "y": "nan"}'),
        ({"\udce4": "\udce4"}, '{"\ufffd": "\ufffd"}'),
        (OrderedDict(a=b"\xff"), '{"a": "[binary, 1 bytes]"}'),
        (MappingProxyType({"a": 1}), '{"a": 1}'),
        (Order(1, ["tea"]), '{"number": 1, "lines": ["tea"]}'),
        (Pair(1, Decimal(2)), '{"left": 1, "right": "2"}'),
        (
            Person(name="Ada", born=date(1815, 12, 10)),
            '{"name": "Ada", "born": "1815-12-10", "key": "**********"}',
        ),
        ([Person(name="Ada")], '[{"name": "Ada", "born": null, "key": "**********"}]'),
        (numpy.int64(3), "3"),
        (numpy.float32(0.5), "0.5"),
        (numpy.array([[1, 2]]), "[[1, 2]]"),
        (Shown(), "shown"),
        (Plain(), "[an object of type Plain]"),
        (Addressed(), "[an object of type Addressed]"),
        (Broken(), "[an object of type Broken]"),
        ([Broken(), 1], '["[an object of type Broken]", 1]'),
        (Order, "[an object of type type]"),
        (print, "[an object of type builtin_function_or_method]"),
        (ValueError("too late"), "too late"),
        (AIMessage("Done."), "Done."),
        (ToolMessage([{"type": "text", "text": "Done."}], tool_call_id="1"), "Done."),
        (
            Document("Menu", metadata={"page": 1}),
            '{"id": null, "metadata": {"page": 1}, "page_content": "Menu", "type": "Document"}',
        ),
    ],
    ids=lambda value: ascii(value)[:40] if isinstance(value, str) else type(value).__name__,
)
def test_a_result_of_any_type_becomes_text(value: Any, text: str) -> None:
    assert result_text(value) == text


def test_an_object_whose_class_cannot_be_asked_becomes_words() -> None:
    assert result_text([Lying()]) == '["[an object of type Lying]"]'


def test_a_result_that_holds_itself_ends() -> None:
    value: dict[str, Any] = {"name": "loop"}
    value["self"] = value
    assert result_text(value) == '{"name": "loop", "self": "…"}'


def test_a_result_that_is_nested_too_deep_ends() -> None:
    value: Any = "deep"
    for _ in range(5_000):
        value = [value]
    assert len(result_text(value)) < 1_000


def test_an_enormous_result_is_not_read_to_its_end() -> None:
    class Endless(Mapping[str, Any]):
        read = 0

        def __getitem__(self, key: str) -> Any:
            self.read += 1
            return "x" * 1_000

        def __iter__(self) -> Any:
            return map(str, range(10**9))

        def __len__(self) -> int:
            return 10**9

    value = Endless()
    assert len(result_text(value)) < 300_000
    assert value.read < 1_000


RECORDS = [
    {"type": "document", "title": "Invoice 1", "amount": 100},
    {"type": "file", "path": "/a"},
    {"type": "file", "name": "a.txt", "owner": "Ada", "url": "https://example.com"},
    {"type": "json", "value": 1},
    {"type": "image", "width": 3},
    {"type": "image", "data": "a picture of the sea"},
    {"type": "search_result", "title": "A", "url": "https://example.com"},
    {"type": "text", "text": "hello", "author": "Ada"},
    {"type": "text", "text": 5},
    {"type": "resource", "resource": "room 4"},
    {"type": "resource", "resource": {"name": "room 4"}},
    {"type": "audio", "length": 3},
    {"type": "invoice", "text": "hello"},
    {"type": ["text"], "text": "hello"},
]


@pytest.mark.parametrize("record", RECORDS, ids=str)
def test_records_with_a_type_reach_the_model_as_json(record: dict[str, Any]) -> None:
    import json

    assert json.loads(result_text([record])) == [record]
    assert json.loads(result_text(record)) == record
    assert json.loads(result_text([record, {"type": "text", "text": "hello"}]))[0] == record


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ({"type": "text", "text": "Sunny."}, "Sunny."),
        ({"type": "text", "text": "Sunny.", "annotations": None, "_meta": {}}, "Sunny."),
        ({"type": "image", "data": DATA, "mimeType": "image/png"}, "[image, image/png, 12,345 bytes]"),
        (
            {"type": "image", "base64": DATA, "mime_type": "image/png", "id": "1"},
            "[image, image/png, 12,345 bytes]",
        ),
        (
            {"type": "image", "source_type": "base64", "data": DATA, "mime_type": "image/png"},
            "[image, image/png, 12,345 bytes]",
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
            "[image, image/png, 12,345 bytes]",
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x.org/a.png", "detail": "low"}},
            "[image, https://x.org/a.png]",
        ),
        ({"type": "image_url", "image_url": "https://x.org/a.png"}, "[image, https://x.org/a.png]"),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
            "[image, 12,345 bytes]",
        ),
        ({"type": "audio", "data": DATA, "mimeType": "audio/wav"}, "[audio, audio/wav, 12,345 bytes]"),
        (
            {"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}},
            "[audio, wav, 12,345 bytes]",
        ),
        (
            {"type": "video", "url": "https://x.org/a.mp4", "mime_type": "video/mp4"},
            "[video, video/mp4, https://x.org/a.mp4]",
        ),
        ({"type": "file", "file": {"file_data": DATA, "filename": "a.pdf"}}, "[file, a.pdf, 12,345 bytes]"),
        ({"type": "file", "file_id": "file-1"}, "[file, file-1]"),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": DATA},
                "title": "Bill",
            },
            "[document, Bill, application/pdf, 12,345 bytes]",
        ),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "Pay."},
                "title": "Bill",
            },
            "Bill\nPay.",
        ),
        (
            {
                "type": "document",
                "source": {"type": "content", "content": [{"type": "text", "text": "Pay."}]},
            },
            "Pay.",
        ),
        (
            {
                "type": "search_result",
                "source": "https://x.org",
                "title": "A",
                "content": [{"type": "text", "text": "b"}],
            },
            "A (https://x.org)\nb",
        ),
        (
            {
                "type": "resource",
                "resource": {"uri": "file:///a", "mimeType": "text/plain", "text": "inside"},
            },
            "[resource, file:///a]\ninside",
        ),
        (
            {"type": "resource", "resource": {"uri": "file:///a", "mimeType": "image/png", "blob": DATA}},
            "[resource, image/png, file:///a, 12,345 bytes]",
        ),
        (
            {"type": "resource_link", "uri": "file:///a", "name": "a", "size": 5, "description": "A file."},
            "[resource, a, file:///a, 5 bytes]: A file.",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_content_block_gives_its_text_or_is_described(block: dict[str, Any], text: str) -> None:
    assert result_text([block]) == text
    assert result_text(block) == text
    assert result_text(["Look:", block]) == f"Look:\n{text}"


def test_blocks_that_are_objects_are_read_like_those_that_are_records() -> None:
    class TextContent(BaseModel):
        type: str = "text"
        text: str
        annotations: None = None

    class Resource(BaseModel):
        uri: str
        text: str

    class EmbeddedResource(BaseModel):
        type: str = "resource"
        resource: Resource

    class CallToolResult(BaseModel):
        content: list[Any]
        isError: bool = False

    blocks = [TextContent(text="Look:"), EmbeddedResource(resource=Resource(uri="file:///a", text="inside"))]
    assert result_text(blocks) == "Look:\n[resource, file:///a]\ninside"
    assert result_text(CallToolResult(content=blocks)) == "Look:\n[resource, file:///a]\ninside"


@pytest.mark.parametrize(
    "value",
    [
        Command(update={}),
        [Command(update={}), "text"],
        Send("node", {}),
        (x for x in "ab"),
        map(str, "ab"),
        iter([1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_turn_can_carry_out_or_read_at_once_is_an_error_for_the_author(value: Any) -> None:
    with pytest.raises(Unsupported, match="not supported as a result: return"):
        result_text(value)


async def test_an_async_generator_and_a_future_are_errors_too() -> None:
    async def generate() -> Any:
        yield 1

    for value in (generate(), asyncio.get_running_loop().create_future()):
        with pytest.raises(Unsupported):
            result_text(value)


@pytest.mark.parametrize(
    ("text", "limit", "left"),
    [
        ("abcdef", 3, "abc"),
        ("abc", 3, "abc"),
        ("ab\u0301c", 2, "a"),
        ("a👍🏽c", 2, "a"),
        ("a👩\u200d👩\u200d👧c", 3, "a"),
        ("🇩🇪🇫🇷", 3, "🇩🇪"),
        ("🇩🇪🇫🇷", 2, "🇩🇪"),
        ("หนึ่ง", 3, "ห"),
        ("a\ud83d\ude00", 2, "a"),
        ("\u0301" * 100, 50, "\u0301" * 50),
    ],
    ids=ascii,
)
def test_a_cut_does_not_part_what_is_seen_as_one_character(text: str, limit: int, left: str) -> None:
    assert cut(text, limit) == left


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]))
    | st.binary()
    | st.decimals()
    | st.datetimes()
    | st.timedeltas()
    | st.complex_numbers()
    | st.sampled_from([Plain(), Broken(), Addressed(), SimpleNamespace(a=1), object(), Order, len])
)
KEYS = st.sampled_from(["type", "text", "data", "source", "content", "mimeType", "resource", "url", "title"])
TYPES = st.sampled_from(["text", "image", "file", "document", "resource", "resource_link", "search_result"])
RESULTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | KEYS, inner, max_size=4)
        | st.dictionaries(st.integers() | st.none(), inner, max_size=2)
        | st.builds(
            lambda kind, rest: {**rest, "type": kind}, TYPES, st.dictionaries(KEYS, inner, max_size=3)
        )
        | st.tuples(inner)
        | st.builds(Order, inner, inner)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(RESULTS)
def test_any_result_becomes_text_that_can_be_sent(value: Any) -> None:
    text = result_text(value)
    text.encode()
    assert text == safe_text(text)
    assert not re.search(r"at 0x[0-9a-f]{6,}", text)
    assert text or value in ("", b"")


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=[])), st.integers(1, 10))
def test_any_text_is_cut_to_a_beginning_within_the_limit(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert text.startswith(short)
    assert len(short) <= limit
    assert short or not text
