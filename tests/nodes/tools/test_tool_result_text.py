"""What a tool returned, as text for the model: nothing is lost, nothing raises, all of it can be sent."""

import asyncio
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
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Command, Send
from pydantic import BaseModel, SecretStr

from voicegraph.nodes.text.characters import whole_characters
from voicegraph.nodes.tools.failures import Unsupported
from voicegraph.nodes.tools.results.result_text import result_text
from voicegraph.nodes.tools.results.safe_text import cut, safe_text


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
        ("a\ud83d\ude00b", 2, "a😀"),
        ("한글", 1, "한"),
        ("नमस्ते", 3, "नम"),
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


@given(RESULTS)
def test_any_result_becomes_text_that_can_be_sent(value: Any) -> None:
    text = result_text(value)
    text.encode()
    assert text == safe_text(text)
    assert not re.search(r"at 0x[0-9a-f]{6,}", text)
    assert text or value in ("", b"")


@given(st.text(st.characters(exclude_categories=[])), st.integers(1, 10))
def test_any_text_is_cut_to_a_beginning_within_the_limit(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert whole_characters(text).startswith(short)
    assert len(short) <= limit
    assert short or not text
