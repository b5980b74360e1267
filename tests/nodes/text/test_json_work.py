"""The work of decoding a JSON text is estimated without decoding it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.text.json_work import MOST_WORK, JsonWork, is_too_much

texts = st.text('a\\"[]{},é', max_size=6)
values = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


def work_of(value: Any) -> int:
    """Count as the decoder would: five for each object or list, one for each comma."""
    if not isinstance(value, dict | list):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 5 + max(0, len(inner) - 1) + sum(map(work_of, inner))


@given(values, st.booleans(), st.lists(st.integers(1, 9)))
def test_the_parts_of_a_text_are_counted_as_the_whole(value: Any, escaped: bool, sizes: list[int]) -> None:
    text = json.dumps(value, ensure_ascii=escaped).encode()
    work, at = JsonWork(), 0
    for size in [*sizes, len(text) or 1]:
        work.feed(text[at : at + size])
        at += size
    assert work.done == work_of(value)


@pytest.mark.parametrize(
    ("text", "too_much"),
    [
        (b"[" + b"[]," * 300_000 + b"[]]", True),
        (b"[" + b"1," * (MOST_WORK + 1) + b"1]", True),
        (b"[" + b"[]," * 30_000 + b"[]]", False),
        (b'"' + b"[]," * 3_000_000 + b'"', False),
        (json.dumps("[]," * 3_000_000 + '"').encode(), False),
        (("[" + "[]," * 300_000 + "[]]").encode("utf-16"), True),
        (b"", False),
    ],
    ids=["lists", "numbers", "few lists", "a string", "quotes in a string", "UTF-16", "nothing"],
)
def test_only_what_takes_long_to_decode_is_too_much(text: bytes, too_much: bool) -> None:
    assert is_too_much(text) is too_much
