"""Other processes that are slow, stuck or hard of hearing: nobody waits for ever, nothing is done twice."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from calling import CALL, held, spoken_until, user_says
from owners import postgres_owner
from patience import PATIENCE
from psycopg import AsyncConnection

from voicegraph.graph import TurnGraph, build_graph, interrupt, open_resources
from voicegraph.graph.threads.interrupts import LOOK_AGAIN
from voicegraph.graph.threads.other_processes import OtherProcesses
from voicegraph.graph.threads.owner import InterruptedElsewhere
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import StorageError, ThreadBusy
from voicegraph.state.postgres.leases import Leases, key_of, open_leases

HEY: Any = user_says("Hey.")
LONG = "One two three four five six seven eight nine ten."
Notice = dict[str, Any]


class Peer:
    """Another process, which does nothing but what a test tells it."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.heard: list[Notice] = []
        self.heard_at: list[float] = []
        self.answer: Callable[[Notice], Notice | None] = lambda _: None
        self._more = asyncio.Event()
        self._telling: set[asyncio.Task[None]] = set()
        leases.listen(self._hear)

    async def until_heard(self, count: int) -> None:
        while len(self.heard) < count:
            self._more.clear()
            await self._more.wait()

    async def stop(self) -> None:
        if self._telling:
            await asyncio.wait(self._telling)

    def _hear(self, notice: Notice) -> None:
        self.heard.append(notice)
        self.heard_at.append(time.monotonic())
        self._more.set()
        answer = self.answer(notice)
        if answer is not None:
            task = asyncio.create_task(
                self.leases.tell(notice["from"], [{"to": notice["id"], "then": [], **answer}])
            )
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)


@pytest.fixture
async def peer(postgres_url: str) -> AsyncIterator[Peer]:
    async with open_leases(parse_location(postgres_url)) as leases:
        peer = Peer(leases)
        yield peer
        await peer.stop()


Start = Callable[..., AbstractAsyncContextManager[TurnGraph]]


@pytest.fixture
def start(postgres_url: str) -> Start:
    """Return how to open the database as a process of its own does."""

    @asynccontextmanager
    async def process(*replies: Any) -> AsyncIterator[TurnGraph]:
        async with open_resources(postgres_url, model=ScriptedChatModel(list(replies))) as resources:
            yield build_graph(resources)

    return process


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take who answers nothing at once to be stuck."""
    monkeypatch.setattr("voicegraph.graph.threads.other_processes.LONGEST_SILENCE", 0.0)
    monkeypatch.setattr("voicegraph.graph.threads.interrupts.LONGEST_SILENCE", 0.0)


def others(graph: TurnGraph) -> OtherProcesses:
    return postgres_owner(graph.resources).others


async def drained(stream: Any) -> None:
    with contextlib.suppress(StopAsyncIteration):
        while True:
            await anext(stream)


def interrupting(peer: Peer, at: float, again: bool = False) -> Notice:
    """Return what a process sends that interrupts the thread, which it asked for at the moment `at`."""
    return {
        "kind": "interrupt",
        "thread": "call-42",
        "from": peer.leases.address,
        "id": "1",
        "at": peer.leases.at(at),
        "again": again,
        "part": 0,
        "of": 1,
        "heard": None,
    }


def waiting(peer: Peer) -> Notice:
    """Return what a process sends that waits for the thread's turn to end."""
    return {
        "kind": "want",
        "thread": "call-42",
        "from": peer.leases.address,
        "id": "1",
        "at": peer.leases.at(time.monotonic()),
        "overlap": "enqueue",
    }


@pytest.fixture
async def stuck(postgres_url: str) -> AsyncIterator[AsyncConnection[Any]]:
    """The session of a process that has the thread and stands still."""
    session = await AsyncConnection.connect(postgres_url, autocommit=True)
    await session.execute("SELECT pg_advisory_lock(%s)", (key_of("call-42"),))
    yield session
    await session.close()


@pytest.mark.usefixtures("impatient", "stuck")
async def test_a_turn_takes_its_thread_from_a_process_that_stands_still(start: Start) -> None:
    async with start("Yes?") as graph, asyncio.timeout(PATIENCE):
        values = await graph.ainvoke(HEY, CALL)
    assert [message.text for message in values["messages"]] == ["Hey.", "Yes?"]


@pytest.mark.usefixtures("impatient", "stuck")
async def test_an_interrupt_ends_the_session_of_a_process_that_stands_still(start: Start) -> None:
    async with start("Yes?") as graph, asyncio.timeout(PATIENCE):
        await interrupt(graph, "call-42")
        assert (await graph.ainvoke(HEY, CALL))["messages"][-1].text == "Yes?"


@pytest.mark.usefixtures("impatient", "stuck")
async def test_a_thread_is_busy_whose_holder_can_neither_answer_nor_be_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(leases: Leases, thread_id: str) -> None:
        pass

    monkeypatch.setattr(Leases, "end_holder", nothing)
    async with start() as graph:
        with pytest.raises(ThreadBusy, match="does not answer"):
            await graph.ainvoke(HEY, CALL)


async def test_a_process_that_stood_still_writes_nothing_until_it_knows_what_became_of_its_thread(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_leases(parse_location(postgres_url)) as leases:
        lease = await leases.take("call-42")
        assert lease is not None
        await lease.held(PATIENCE)
        monkeypatch.setattr("voicegraph.state.postgres.link.SURE_FOR", 0.0)
        with pytest.raises(StorageError):
            await lease.held(0.2)
        monkeypatch.undo()
        await lease.held(PATIENCE)


async def test_who_waits_for_a_thread_is_answered_each_time_that_he_asks(start: Start, peer: Peer) -> None:
    async with start(held(LONG, 3)) as graph:
        stream = await spoken_until(graph, 3)
        want = waiting(peer)
        for count in (1, 2, 3):
            others(graph).hear(want)
            await peer.until_heard(count)
        assert [answer["kind"] for answer in peer.heard] == ["wait", "wait", "wait"]
        await stream.aclose()


async def test_who_is_told_that_a_thread_is_free_which_it_is_not_asks_no_faster(
    start: Start, peer: Peer
) -> None:
    lease = await peer.leases.take("call-42")
    assert lease is not None
    peer.answer = lambda _: {"kind": "free"}
    async with start("Yes?") as graph:
        turn = asyncio.create_task(graph.ainvoke(HEY, CALL))
        await peer.until_heard(6)
        await peer.leases.give_back(lease)
        await turn
    assert peer.heard_at[5] - peer.heard_at[0] > LOOK_AGAIN


async def test_an_interrupt_that_was_lost_is_sent_again(start: Start, peer: Peer) -> None:
    await peer.leases.take("call-42")
    ended = {"kind": "interrupted", "ran": True, "cut": True}
    peer.answer = lambda notice: ended if len(peer.heard) == 3 else None
    async with start() as graph, asyncio.timeout(PATIENCE):
        found = await others(graph).interrupt("call-42", None)
    assert found == InterruptedElsewhere(ran=True, cut=True)
    assert [notice["again"] for notice in peer.heard[:3]] == [False, True, True]
    assert len({notice["id"] for notice in peer.heard}) == 1


async def test_an_interrupt_that_comes_again_does_not_hit_the_next_turn(start: Start, peer: Peer) -> None:
    async with start(held(LONG, 3), held(LONG, 4)) as graph:
        notice = interrupting(peer, time.monotonic())
        first = await spoken_until(graph, 3)
        others(graph).hear(notice)
        await drained(first)
        second = await spoken_until(graph, 3)
        others(graph).hear({**notice, "again": True})
        await peer.until_heard(2)
        assert [answer["kind"] for answer in peer.heard] == ["interrupted", "interrupted"]
        run = graph.resources.threads.running("call-42")
        assert run and not run.stop.requested
        await second.aclose()


async def test_an_interrupt_of_another_process_turn_does_not_hit_one_that_began_since(
    start: Start, peer: Peer
) -> None:
    async with start(held(LONG, 3)) as graph:
        asked = time.monotonic() - 60.0
        stream = await spoken_until(graph, 3)
        others(graph).hear(interrupting(peer, asked, again=True))
        await peer.until_heard(1)
        assert peer.heard[0]["ran"] is True
        run = graph.resources.threads.running("call-42")
        assert run and not run.stop.requested
        await stream.aclose()


async def test_an_interrupt_whose_first_notice_was_lost_hits_the_turn_that_was_meant(
    start: Start, peer: Peer
) -> None:
    async with start(held(LONG, 3)) as graph:
        stream = await spoken_until(graph, 3)
        others(graph).hear(interrupting(peer, time.monotonic(), again=True))
        await drained(stream)
        await peer.until_heard(1)
        assert peer.heard[0]["kind"] == "interrupted"


async def test_who_interrupts_is_told_that_the_turn_is_still_ending(start: Start, peer: Peer) -> None:
    async with start(held(LONG, 3)) as graph:
        stream = await spoken_until(graph, 3)
        notice = interrupting(peer, time.monotonic())
        others(graph).hear(notice)
        others(graph).hear({**notice, "again": True})
        await drained(stream)
        await peer.until_heard(2)
        assert [answer["kind"] for answer in peer.heard] == ["interrupting", "interrupted"]
