"""Numbers of tokens of any type: they never cost the reply that they belong to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.nodes.model.stream.token_counts import usage_of


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        (7, 7),
        ("7", 7),
        (" 7.0 ", 7),
        (2.5, 2),
        (2.6, 3),
        (-1, 0),
        ("-1", 0),
        ("many", 0),
        (None, 0),
        ([7], 0),
        ({"total": 7}, 0),
        (True, 0),
        (1 << 80, 0),
        (float("nan"), 0),
        ("inf", 0),
    ],
)
def test_a_number_of_any_type_is_a_number(given: Any, counted: int) -> None:
    for names in (("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")):
        usage = usage_of(dict.fromkeys(names, given))
        assert usage == {"input_tokens": counted, "output_tokens": counted, "cached_tokens": 0}


@pytest.mark.parametrize(
    "details",
    [
        {"prompt_tokens_details": {"cached_tokens": "5"}},
        {"input_token_details": {"cache_read": 5.0}},
        {"prompt_cache_hit_tokens": 5},
    ],
)
def test_cached_tokens_have_several_names(details: Any) -> None:
    usage = usage_of({"prompt_tokens": 7, **details})
    assert usage is not None
    assert usage["cached_tokens"] == 5


@pytest.mark.parametrize("usage", [None, {}, [], "7", 7, [{"prompt_tokens": 7}]])
def test_what_is_no_object_is_no_usage(usage: Any) -> None:
    assert usage_of(usage) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
names = st.sampled_from(
    ["prompt_tokens", "input_tokens", "completion_tokens", "prompt_tokens_details", "input_token_details"]
)


@given(st.dictionaries(names, anything, min_size=1))
def test_nothing_raises(tokens: Any) -> None:
    usage = usage_of(tokens)
    assert usage is not None
    assert all(type(value) is int and 0 <= value < 1 << 60 for value in usage.values())
