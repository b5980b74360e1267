"""Tool runs: begun before the tool, finished after it, found after a crash."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ada import ADA
from ada_at_home import Home

from voicegraph.state.errors import NotFound, ThreadNotFound
from voicegraph.state.store import open_store

CALL = ("call-1", "m1", "c1")


async def test_a_run_that_a_crash_left_is_found_by_another_process(home: Home, store_url: str) -> None:
    assert await home.store.tool_runs.begin(ADA, *CALL, "book_table") is None
    later = await open_store(store_url)
    left = await later.tool_runs.begin(ADA, *CALL, "book_table")
    await later.close()
    assert left is not None
    assert (left.tool, left.status, left.outcome, left.finished_at) == ("book_table", "started", None, None)


async def test_a_finished_run_tells_its_result(home: Home, kept: Callable[[Any], Any]) -> None:
    await home.store.tool_runs.begin(ADA, *CALL, "book_table")
    await home.store.tool_runs.finish(ADA, *CALL, outcome="success", result="booked 🍝\0")
    run = await home.store.tool_runs.begin(ADA, *CALL, "book_table")
    assert run and run.finished_at
    assert (run.status, run.outcome, run.result) == ("finished", "success", kept("booked 🍝\0"))
    assert run.finished_at >= run.started_at


async def test_of_two_ends_the_first_counts(home: Home) -> None:
    await home.store.tool_runs.begin(ADA, *CALL, "book_table")
    await home.store.tool_runs.finish(ADA, *CALL, outcome="success", result="booked")
    await home.store.tool_runs.finish(ADA, *CALL, outcome="error", result="full")
    runs = await home.store.tool_runs.of_message(ADA, "call-1", "m1")
    assert runs["c1"].result == "booked"


async def test_of_those_who_begin_one_call_at_once_one_may_run_it(home: Home) -> None:
    runs = await asyncio.gather(*(home.store.tool_runs.begin(ADA, *CALL, "book_table") for _ in range(10)))
    assert sum(run is None for run in runs) == 1


async def test_the_runs_of_a_message_are_found_by_the_id_of_their_call(home: Home) -> None:
    for message_id, call_id in (("m1", "c1"), ("m1", "c2"), ("m2", "c1")):
        await home.store.tool_runs.begin(ADA, "call-1", message_id, call_id, "clock")
    runs = await home.store.tool_runs.of_message(ADA, "call-1", "m1")
    assert [(call_id, run.message_id) for call_id, run in runs.items()] == [("c1", "m1"), ("c2", "m1")]


async def test_a_run_that_was_never_begun_is_recorded_with_its_tool_or_not_found(home: Home) -> None:
    with pytest.raises(NotFound):
        await home.store.tool_runs.finish(ADA, *CALL, outcome="success", result="noon")
    await home.store.tool_runs.finish(ADA, *CALL, outcome="success", result="noon", tool="clock")
    run = (await home.store.tool_runs.of_message(ADA, "call-1", "m1"))["c1"]
    assert (run.tool, run.status, run.result) == ("clock", "finished", "noon")


async def test_a_run_needs_a_thread(home: Home) -> None:
    with pytest.raises(ThreadNotFound):
        await home.store.tool_runs.begin(ADA, "call-42", "m1", "c1", "clock")


async def test_discarded_runs_are_gone_and_those_of_other_messages_stay(home: Home) -> None:
    for message_id in ("m1", "m2", "m3"):
        await home.store.tool_runs.begin(ADA, "call-1", message_id, "c1", "clock")
    await home.store.tool_runs.discard(ADA, "call-1", ["m1", "m2"])
    left = [await home.store.tool_runs.of_message(ADA, "call-1", name) for name in ("m1", "m2", "m3")]
    assert [len(runs) for runs in left] == [0, 0, 1]
