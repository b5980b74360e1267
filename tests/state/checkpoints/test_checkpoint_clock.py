"""Checkpoints of one thread, made by clocks that differ."""

import time
from uuid import UUID

import pytest
from langgraph.checkpoint.base import id as ids
from langgraph.checkpoint.base.id import uuid6

from voicegraph.state.checkpoints import checkpoint_clock
from voicegraph.state.checkpoints.checkpoint_clock import count_on


@pytest.fixture(autouse=True)
def own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let later tests go on by the clock of the machine."""
    monkeypatch.setattr(ids, "_last_v6_timestamp", None)
    monkeypatch.setattr(checkpoint_clock, "_told_at", float("-inf"))


def made_in(seconds: float, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the id of a checkpoint that was made by a clock that is ahead."""
    with monkeypatch.context() as other:
        now = time.time_ns()
        other.setattr(time, "time_ns", lambda: now + int(seconds * 1e9))
        other.setattr(ids, "_last_v6_timestamp", None)
        return str(uuid6(clock_seq=3))


@pytest.mark.parametrize("ahead", [-86_400.0, -0.001, 0.0, 20.0, 86_400.0, 3e9])
def test_ids_grow_after_those_of_a_clock_that_is_ahead(ahead: float, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made_in(ahead, monkeypatch)
    count_on(before)
    later = [str(uuid6(clock_seq=0)) for _ in range(3)]
    assert [before, *later] == sorted([before, *later])
    assert len({before, *later}) == 4


@pytest.mark.parametrize("other", ["", "1", "checkpoint", str(UUID(int=2**127, version=4)), "6" * 32 + "x"])
def test_ids_of_another_kind_change_nothing(other: str) -> None:
    count_on(other)
    moment = checkpoint_clock._moment_of(str(uuid6()))
    assert moment and abs(moment - _moment(time.time())) < 1e9


def _moment(seconds: float) -> int:
    return int(seconds * 1e7) + checkpoint_clock._EPOCH


def test_a_checkpoint_of_the_future_is_logged_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    count_on(made_in(1.0, monkeypatch))
    assert caplog.records == []
    for ahead in (60.0, 120.0):
        count_on(made_in(ahead, monkeypatch))
    [record] = caplog.records
    assert "in the future" in record.message
    assert 50 < vars(record)["seconds"] <= 60
