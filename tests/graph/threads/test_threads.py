"""One turn at a time on a thread; who shows a turn is only its listener."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

import pytest

from voicegraph.graph.threads.running import Threads, TurnRun
from voicegraph.nodes.turn.events import TurnFinished, encode_event
from voicegraph.state.errors import ThreadBusy
from voicegraph.state.usage import Usage


class Turn:
    """A turn that a test drives by hand: it ends when it is let go, or told to stop."""

    def __init__(self, threads: Threads, log: list[str], name: str, thread_id: str = "call-42") -> None:
        self.run, self.name, self._log = TurnRun(thread_id), name, log
        self._release = asyncio.Event()
        threads.enter(self.run)
        self.task = asyncio.create_task(self.run.drive(self._parts))
        self.task.add_done_callback(lambda _: threads.leave(self.run))

    async def _parts(self) -> AsyncGenerator[str, None]:
        self._log.append(f"{self.name} begins")
        yield f"{self.name}.1"
        stopped = asyncio.create_task(self.run.stop.event.wait())
        released = asyncio.create_task(self._release.wait())
        await asyncio.wait({stopped, released}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        released.cancel()
        yield f"{self.name}.2"
        self._log.append(f"{self.name} {'is stored' if self._release.is_set() else 'stops'}")

    def let_go(self) -> None:
        self._release.set()

    async def parts(self) -> list[Any]:
        return [part async for part in self.run.listen()]


async def settle() -> None:
    """Let all tasks go as far as they can."""
    for _ in range(20):
        await asyncio.sleep(0)


def setup(overlap: Literal["newest", "enqueue", "reject"]) -> tuple[Threads, list[str]]:
    return Threads(overlap), []


async def test_a_listener_gets_all_parts_in_order() -> None:
    turn = Turn(*setup("newest"), "one")
    turn.let_go()
    assert await turn.parts() == ["one.1", "one.2"]


async def test_parts_wait_for_a_listener_that_comes_late() -> None:
    turn = Turn(*setup("newest"), "one")
    turn.let_go()
    await turn.run.done.wait()
    assert await turn.parts() == ["one.1", "one.2"]


async def test_the_newest_turn_stops_the_running_one_and_waits_for_it() -> None:
    threads, log = setup("newest")
    first = Turn(threads, log, "one")
    await settle()
    second = Turn(threads, log, "two")
    second.let_go()
    await second.task
    assert first.run.stop.requested
    assert not second.run.stop.requested
    assert log == ["one begins", "one stops", "two begins", "two is stored"]


async def test_an_enqueued_turn_waits_until_the_running_one_has_ended() -> None:
    threads, log = setup("enqueue")
    first, second = Turn(threads, log, "one"), Turn(threads, log, "two")
    await settle()
    assert log == ["one begins"]
    first.let_go()
    second.let_go()
    await second.task
    assert log == ["one begins", "one is stored", "two begins", "two is stored"]


async def test_a_second_turn_may_be_refused() -> None:
    threads, log = setup("reject")
    first = Turn(threads, log, "one")
    with pytest.raises(ThreadBusy, match="call-42"):
        Turn(threads, log, "two")
    assert threads.running("call-42") is first.run
    first.let_go()
    await first.task
    third = Turn(threads, log, "three")
    third.let_go()
    await third.task
    assert log[-1] == "three is stored"


@pytest.mark.parametrize("overlap", ["newest", "enqueue"])
async def test_three_turns_follow_each_other(overlap: Any) -> None:
    threads, log = setup(overlap)
    turns = [Turn(threads, log, name) for name in ("one", "two", "three")]
    await settle()
    for turn in turns if overlap == "enqueue" else turns[2:]:
        turn.let_go()
    await asyncio.gather(*(turn.task for turn in turns))
    end = "is stored" if overlap == "enqueue" else "stops"
    assert log == [
        *["one begins", f"one {end}", "two begins", f"two {end}"],
        *["three begins", "three is stored"],
    ]
    assert threads.running("call-42") is None


@pytest.mark.parametrize("overlap", ["newest", "enqueue", "reject"])
async def test_other_threads_do_not_wait(overlap: Any) -> None:
    threads, log = setup(overlap)
    first = Turn(threads, log, "one")
    other = Turn(threads, log, "other", "call-43")
    other.let_go()
    await other.task
    assert not first.run.stop.requested
    assert threads.running("call-42") is first.run
    first.let_go()
    await first.task


@pytest.mark.parametrize("overlap", ["newest", "enqueue", "reject"])
async def test_a_turn_that_only_stores_is_neither_stopped_nor_in_the_way(overlap: Any) -> None:
    threads, log = setup(overlap)
    first = Turn(threads, log, "one")
    first.run.kept = True
    second = Turn(threads, log, "two")
    await settle()
    assert log == ["one begins"]
    assert not first.run.stop.requested
    first.let_go()
    second.let_go()
    await second.task
    assert log == ["one begins", "one is stored", "two begins", "two is stored"]


async def test_a_listener_that_leaves_interrupts_the_turn_which_ends_by_itself() -> None:
    threads, log = setup("newest")
    turn = Turn(threads, log, "one")
    async with aclosing(turn.run.listen()) as parts:
        async for part in parts:
            assert part == "one.1"
            break
    assert turn.run.stop.requested
    await turn.task
    assert log == ["one begins", "one stops"]


async def test_a_listener_whose_task_is_cancelled_interrupts_the_turn() -> None:
    threads, log = setup("newest")
    turn = Turn(threads, log, "one")
    listening = asyncio.create_task(turn.parts())
    await settle()
    listening.cancel()
    await asyncio.wait({listening})
    await turn.task
    assert log == ["one begins", "one stops"]


async def test_a_turn_that_only_stores_goes_on_without_its_listener() -> None:
    threads, log = setup("newest")
    turn = Turn(threads, log, "one")
    async with aclosing(turn.run.listen()) as parts:
        await anext(parts)
        turn.run.kept = True
    assert not turn.run.stop.requested
    turn.let_go()
    await turn.task
    assert log == ["one begins", "one is stored"]


async def failing() -> AsyncGenerator[str, None]:
    yield "one.1"
    raise ValueError("broken")


async def test_an_error_of_the_turn_is_raised_to_its_listener_behind_its_parts() -> None:
    run, heard = TurnRun("call-42"), list[str]()
    await run.drive(failing)
    with pytest.raises(ValueError, match="broken"):
        async for part in run.listen():
            heard.append(part)
    assert heard == ["one.1"]


async def test_an_error_that_nobody_will_hear_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    run = TurnRun("call-42")
    run.kept = True
    await run.drive(failing)
    assert [record.message for record in caplog.records] == ["a turn could not be stored"]


async def test_a_turn_that_failed_lets_the_next_one_begin() -> None:
    threads, log = setup("enqueue")
    first = TurnRun("call-42")
    threads.enter(first)
    second = Turn(threads, log, "two")
    second.let_go()
    await settle()
    assert log == []
    await first.drive(failing)
    await second.task
    assert log == ["two begins", "two is stored"]


async def test_a_cancelled_turn_lets_the_next_one_begin_and_tells_its_listener() -> None:
    threads, log = setup("enqueue")
    first = Turn(threads, log, "one")
    second = Turn(threads, log, "two")
    await settle()
    first.task.cancel()
    second.let_go()
    await second.task
    assert log == ["one begins", "two begins", "two is stored"]
    with pytest.raises(asyncio.CancelledError):
        await first.parts()


async def test_a_turn_that_has_ended_is_forgotten() -> None:
    threads, log = setup("newest")
    turn = Turn(threads, log, "one")
    assert threads.running("call-42") is turn.run
    assert threads.running("call-43") is None
    turn.let_go()
    await turn.run.done.wait()
    assert threads.running("call-42") is None


async def test_the_end_of_an_earlier_turn_does_not_hide_the_running_one() -> None:
    threads, log = setup("newest")
    first = Turn(threads, log, "one")
    await settle()
    second = Turn(threads, log, "two")
    await first.task
    await settle()
    assert threads.running("call-42") is second.run
    second.let_go()
    await second.task


@pytest.mark.parametrize("overlap", ["newest", "enqueue"])
async def test_all_turns_can_be_told_to_end_those_that_wait_included(overlap: Any) -> None:
    threads, log = setup(overlap)
    turns = [Turn(threads, log, name) for name in ("one", "two", "three")]
    turns.append(Turn(threads, log, "other", "call-43"))
    await settle()
    threads.stop_all()
    await asyncio.gather(*(turn.task for turn in turns))
    assert sorted(line for line in log if line.endswith("stops")) == [
        *["one stops", "other stops", "three stops", "two stops"]
    ]


@pytest.mark.parametrize(
    ("overlap", "kept", "heard", "meant"),
    [
        ("newest", False, None, "newer"),
        ("newest", False, "", "newer"),
        ("newest", False, "Hello", "older"),
        ("newest", True, "", "newer"),
        ("newest", True, "Hello", "older"),
        ("enqueue", False, None, "older"),
    ],
)
def test_an_interrupt_means_the_turn_that_the_caller_waits_for_unless_an_older_one_was_heard(
    overlap: Literal["newest", "enqueue"], kept: bool, heard: str | None, meant: str
) -> None:
    threads = Threads(overlap)
    runs = {"older": TurnRun("call-42"), "newer": TurnRun("call-42")}
    runs["older"].kept = kept
    for run in runs.values():
        threads.enter(run)
    assert threads.meant("call-42", heard) is runs[meant]


def finished() -> TurnFinished:
    usage = Usage(input_tokens=0, output_tokens=0, cached_tokens=0)
    return TurnFinished(
        turn_id="t", finish_reason="stop", usage=usage, steps=1, first_speech_seconds=None, seconds=0.0
    )


def test_the_end_of_a_turn_cuts_the_reply_to_what_was_heard_until_it_is_announced() -> None:
    run = TurnRun("call-42")
    assert not run.interrupt(None)
    assert run.interrupt("One")
    run.send(finished(), lambda _: None)
    assert not run.interrupt("One")
    assert run.stop.heard == "One"


@pytest.mark.parametrize("only_events", [True, False])
def test_an_event_goes_into_the_stream_at_once_unless_it_must_stay_in_order_with_other_parts(
    only_events: bool,
) -> None:
    parts, written = list[Any](), list[Any]()
    run = TurnRun("call-42", watch=parts.append)
    run.only_events = only_events
    event = finished()
    run.send(event, written.append)
    assert parts == ([event] if only_events else [])
    assert written == ([] if only_events else [encode_event(event)])
    assert run.announced
