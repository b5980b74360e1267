"""Events cut out of bytes, wherever the network parts them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from voicegraph.nodes.model.stream.server_events import MOST_BYTES, EventReader, ServerEvent
from voicegraph.state.errors import ModelProtocolError


def read(*portions: bytes) -> list[ServerEvent]:
    reader = EventReader()
    return [event for portion in portions for event in reader.feed(portion)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b'data: {"a":1}\n\ndata: [DONE]\n\n', [b'{"a":1}', b"[DONE]"]),
        (b"data:1\n\ndata:  2\n\n", [b"1", b" 2"]),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", [b"1", b"2"]),
        (b"data: 1\r\rdata: 2\r\r\n", [b"1", b"2"]),
        (b"\xef\xbb\xbfdata: 1\n\n", [b"1"]),
        (b'data: {"a":\ndata: 1}\n\n', [b'{"a":\n1}']),
        (b": ping\n\ndata: 1\n\n: ping\n\n", [b"1"]),
        (b"event: error\nid: 7\nretry: 3\ndata: 1\n\n", [b"1"]),
        (b"data: 1\n\n\n\n\ndata: 2\n\n", [b"1", b"2"]),
        ("data: a\u2028b\u2029c\x85d\x0be\n\n".encode(), ["a\u2028b\u2029c\x85d\x0be".encode()]),
        (b"data: 1\n\ndata: 2", [b"1"]),
        (b"data: 1\n\ndata: 2\n", [b"1"]),
        (b"<html>502</html>\n\n", []),
        (b"", []),
    ],
    ids=[
        "plain",
        "no blank behind the colon",
        "CRLF",
        "CR",
        "a byte order mark",
        "several data lines",
        "comments",
        "other fields",
        "more empty lines",
        "other separators within the data",
        "cut off",
        "cut off behind the line",
        "no events at all",
        "nothing",
    ],
)
def test_a_stream_is_cut_into_its_events(stream: bytes, events: list[bytes]) -> None:
    assert [data for data, _ in read(stream)] == events


def test_an_event_has_the_name_that_comes_with_it() -> None:
    stream = b"event: error\ndata: 1\n\ndata: 2\n\nevent:x\n\ndata: 3\n\n"
    assert read(stream) == [(b"1", "error"), (b"2", ""), (b"", "x"), (b"3", "")]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_the_last_event_may_lack_its_empty_line(end: bytes) -> None:
    reader = EventReader()
    assert reader.feed(b"data: 1" + end) == []
    assert reader.close() == [(b"1", "")]


lines = st.sampled_from(["data: {}", "data:é\u2028", "id: 7", ": ping", "event: x", "", "", "[DONE]"])
streams = st.lists(st.tuples(lines, st.sampled_from(["\n", "\r\n", "\n", "\r\n"]))).map(
    lambda parts: "".join(line + end for line, end in parts).encode()
)


@given(streams, st.lists(st.integers(1, 60)))
def test_where_the_bytes_are_parted_makes_no_difference(stream: bytes, places: list[int]) -> None:
    cuts = sorted({0, *(place for place in places if place < len(stream)), len(stream)})
    portions = [stream[start:end] for start, end in zip(cuts, cuts[1:], strict=False)]
    assert read(*portions) == read(stream)


@given(streams)
def test_the_events_are_those_that_the_sdk_would_find(stream: bytes) -> None:
    found = [event.data.encode() for event in SSEDecoder().iter_bytes(iter([stream])) if event.data]
    assert [data for data, _ in read(stream) if data] == found


def test_a_long_line_in_many_portions_costs_no_more_than_its_length() -> None:
    portion = b"x" * 2_000
    began = time.thread_time()
    assert read(b"data: ", *[portion] * 5_000, b"\r", b"\n\r\ndata: 2\n\n") == [
        (portion * 5_000, ""),
        (b"2", ""),
    ]
    assert time.thread_time() - began < 1  # Joined again with each portion it would be 15.


def test_a_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(ModelProtocolError, match="too long"):
        read(b"data: ", *[b"x" * 1_000_000] * (MOST_BYTES // 1_000_000 + 1))
