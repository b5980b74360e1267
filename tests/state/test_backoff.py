"""Pauses between attempts: they double up to a limit."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.state.backoff import backoff


@pytest.mark.parametrize(
    ("first", "longest", "pauses"),
    [(1.0, 5.0, [1.0, 2.0, 4.0, 5.0, 5.0]), (0.0, 0.0, [0.0] * 5), (2.0, 2.0, [2.0] * 5)],
)
def test_each_pause_is_twice_the_one_before_up_to_the_longest(
    first: float, longest: float, pauses: list[float]
) -> None:
    assert list(islice(backoff(first, longest), 5)) == pauses


@given(st.floats(0.001, 10), st.floats(10, 1000))
def test_pauses_never_shrink_nor_exceed_the_longest(first: float, longest: float) -> None:
    pauses = list(islice(backoff(first, longest), 30))
    assert pauses[0] == first
    assert all(before <= after <= longest for before, after in pairwise(pauses))
