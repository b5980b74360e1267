"""Messages and long texts are cut out of checkpoints, and put back as they were."""

from typing import Any
from zlib import compress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from voicegraph.state.checkpoints.pieces import (
    Known,
    decode,
    digests_in,
    encode,
    long_version,
    short_version,
    with_versions,
)

SERDE = JsonPlusSerializer(allowed_msgpack_modules=None)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MESSAGES = (
    st.builds(HumanMessage, WORDS, id=WORDS)
    | st.builds(AIMessage, WORDS, id=WORDS)
    | st.builds(ToolMessage, WORDS, tool_call_id=WORDS)
)
PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | WORDS | WORDS.map(lambda word: word * 300)
VALUES = st.recursive(
    PLAIN | MESSAGES | st.lists(MESSAGES, max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


def stored(value: Any, known: Known, pieces: dict[bytes, bytes]) -> Any:
    """Return what is read back of a value."""
    encoded = encode(value, SERDE, known)
    pieces.update(encoded.new)
    known.stored.update(encoded.new)
    return decode(encoded.body, encoded.digests, pieces, SERDE)


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_whatever_is_cut_is_put_back(values: list[Any]) -> None:
    known, pieces = Known(), dict[bytes, bytes]()
    for value in values:
        assert stored(value, known, pieces) == value


def test_each_message_is_a_piece_once_however_often_it_is_written() -> None:
    known, pieces, window = Known(), dict[bytes, bytes](), list[Any]()
    for number in range(5):
        window = [*window, HumanMessage(f"Question {number}?", id=str(number))]
        assert stored({"messages": window, "turn": {"window": window}}, known, pieces) == {
            "messages": window,
            "turn": {"window": window},
        }
    assert len(pieces) == 5
    assert len(digests_in(encode(window, SERDE, known).digests)) == 5


def test_another_message_of_the_same_words_is_the_same_piece() -> None:
    known, pieces = Known(), dict[bytes, bytes]()
    stored([HumanMessage("Hello.", id="1")], known, pieces)
    assert encode([HumanMessage("Hello.", id="1")], SERDE, known).new == {}


def test_a_message_that_changed_is_another_piece() -> None:
    known, pieces = Known(), dict[bytes, bytes]()
    stored([AIMessage("One two three.", id="1")], known, pieces)
    assert stored([AIMessage("One two", id="1")], known, pieces)[0].text == "One two"
    assert len(pieces) == 2


@pytest.mark.parametrize("turns", [1, 200])
def test_small_values_are_stored_as_they_are_and_compressed_ones_are_read_whatever_their_size(
    turns: int,
) -> None:
    value = {f"turn {number}": number for number in range(turns)}
    encoded = encode(value, SERDE, Known())
    plain = SERDE.dumps_typed([value, []])[1]
    assert (encoded.body == plain) == (turns == 1)
    for body in (encoded.body, compress(plain)):
        assert decode(body, b"", {}, SERDE) == value


def test_pieces_that_were_deleted_meanwhile_are_left_out() -> None:
    messages = [HumanMessage("Hello.", id="1"), AIMessage("Hi.", id="2")]
    encoded = encode({"messages": messages, "prompt": "Be kind. " * 99}, SERDE, Known())
    first, second, prompt = digests_in(encoded.digests)
    left = {second: encoded.new[second]}
    assert decode(encoded.body, encoded.digests, left, SERDE) == {"messages": messages[1:], "prompt": ""}
    assert {first, prompt}.isdisjoint(left)


@given(st.integers(0, 10**9) | st.integers(1, 10**9).map(lambda n: f"{n:032}") | st.text(max_size=40))
def test_versions_are_read_as_they_were_written(version: Any) -> None:
    header = {"channel_versions": {"messages": version}, "versions_seen": {"call_llm": {"messages": version}}}
    assert with_versions(with_versions(header, short_version), long_version) == header
