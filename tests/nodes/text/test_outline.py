"""The outline of a JSON value is found while its text streams, each character looked at once."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.text.outline import Outline

texts = st.text(st.sampled_from('a"\\{}[]:, \n'), max_size=8)
values = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just("wanted"), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(texts | st.just("wanted"), values) | st.lists(values) | texts, st.integers(1, 9))
def test_the_end_of_a_value_is_found_whatever_the_pieces(value: Any, size: int) -> None:
    text = json.dumps(value)
    outline = Outline()
    for at in range(0, len(text), size):
        assert outline.ended_at is None
        outline.feed(text[at : at + size])
    assert outline.ended_at == len(text)


@given(st.dictionaries(texts | st.just("wanted"), values), st.integers(1, 9))
def test_a_key_of_the_outermost_object_is_found_and_no_other(value: dict[str, Any], size: int) -> None:
    text = json.dumps(value)
    outline = Outline('"wanted"')
    for at in range(0, len(text), size):
        outline.feed(text[at : at + size])
    assert (outline.key_at is not None) == ("wanted" in value)
    if outline.key_at is not None:
        before = text[: outline.key_at].rstrip(" ,")
        assert list(json.loads(before + "}")) == list(value)[: list(value).index("wanted")]
