"""Words and meaning in one order, by weighted scores."""

import pytest

from voicegraph.state.search.score_fusion import CANDIDATES, fused_scores


def test_words_count_four_times_as_much_as_meaning() -> None:
    assert fused_scores([(1, 10.0), (2, 5.0)], [(2, 0.9), (1, 0.1)]) == [(1, 0.8), (2, pytest.approx(0.6))]


def test_meaning_decides_between_what_words_leave_close() -> None:
    assert [number for number, _ in fused_scores([(1, 10.0), (2, 9.0)], [(2, 0.9), (1, 0.1)])] == [2, 1]


def test_what_no_word_found_comes_in_by_its_meaning() -> None:
    assert [number for number, _ in fused_scores([(1, 10.0)], [(7, 0.9), (1, 0.5), (8, 0.1)])] == [1, 7, 8]


def test_what_has_no_vector_yet_loses_nothing_by_that() -> None:
    assert fused_scores([(1, 10.0), (2, 8.0)], [(9, 0.5)])[:2] == [(1, 1.0), (2, pytest.approx(0.8))]


def test_of_equals_the_first_number_comes_first() -> None:
    assert [number for number, _ in fused_scores([(5, 1.0), (3, 1.0)], [])] == [3, 5]


def test_what_is_behind_the_candidates_follows_once_and_in_its_order() -> None:
    worded = [(number, 1000.0 - number) for number in range(CANDIDATES + 3)]
    found = [number for number, _ in fused_scores(worded, [(CANDIDATES + 1, 1.0), (0, 0.0)])]
    assert found[-2:] == [CANDIDATES, CANDIDATES + 2]
    assert sorted(found) == list(range(CANDIDATES + 3))


def test_nothing_found_is_nothing() -> None:
    assert fused_scores([], []) == []
