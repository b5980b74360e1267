"""Other processes that are slow, stuck or hard of hearing: nobody waits for ever, nothing is done twice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from calling import CALL, held, spoken_until, user_says
from hold import Hold
from owners import postgres_owner
from patience import PATIENCE
from psycopg import AsyncConnection

from voicegraph.graph import TurnGraph, build_graph, interrupt, open_resources
from voicegraph.graph.threads.other_processes import OtherProcesses
from voicegraph.graph.threads.owner import InterruptedElsewhere
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state.conversations.messages import Messages
from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import StorageError, ThreadBusy
from voicegraph.state.postgres.leases import Leases, key_of, open_leases
from voicegraph.state.postgres.wishes import Look

HEY: Any = user_says("Hey.")
LONG = "One two three four five six seven eight nine ten."


class Peer:
    """Another process, which does nothing but what a test tells it."""

    def __init__(self, leases: Leases) -> None:
        self.leases, self.wishes = leases, leases.wishes
        self.notices: list[str] = []
        self._more = asyncio.Event()
        leases.listen(self._hear)

    async def until_noticed(self, count: int) -> None:
        while len(self.notices) < count:
            self._more.clear()
            await self._more.wait()

    async def until_received(self, id_: int) -> datetime:
        """Show a wish to the holder of its thread until that has received it once more; return when."""
        before = (await self.look(id_)).received_at
        while (received := (await self.look(id_)).received_at) in (None, before):
            await asyncio.sleep(0)
        assert received is not None
        return received

    async def until_answered(self, id_: int) -> str:
        while (answer := (await self.look(id_)).answer) is None:
            await asyncio.sleep(0)
        return answer

    async def look(self, id_: int) -> Look:
        found = await self.wishes.look(id_)
        assert found is not None
        return found

    def _hear(self, notice: str) -> None:
        self.notices.append(notice)
        self._more.set()


@pytest.fixture
async def peer(postgres_url: str) -> AsyncIterator[Peer]:
    async with open_leases(parse_location(postgres_url)) as leases:
        yield Peer(leases)


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


def others(graph: TurnGraph) -> OtherProcesses:
    return postgres_owner(graph.resources).others


async def drained(stream: Any) -> None:
    with contextlib.suppress(StopAsyncIteration):
        while True:
            await anext(stream)


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
    async def nothing(leases: Leases, thread_id: str, process: int | None = None) -> None:
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


async def test_a_process_that_waits_for_a_thread_sees_signs_of_life_of_its_holder(
    start: Start, peer: Peer
) -> None:
    async with start(held(LONG, 3)) as graph:
        stream = await spoken_until(graph, 3)
        id_, is_held = await peer.wishes.put("call-42", "enqueue")
        assert is_held
        first, second = [await peer.until_received(id_) for _ in range(2)]
        assert first < second
        await stream.aclose()


async def test_the_process_that_waits_longest_is_told_first_that_a_thread_is_free(
    start: Start, peer: Peer
) -> None:
    async with start(held(LONG, 3)) as graph:
        stream = await spoken_until(graph, 3)
        first, second = [(await peer.wishes.put("call-42", "enqueue"))[0] for _ in range(2)]
        await peer.until_received(second)
        assert (await peer.look(first)).is_next and not (await peer.look(second)).is_next
        await stream.aclose()
        await peer.until_noticed(1)
        assert peer.notices == [f"answer {first}"]


async def test_a_newer_turn_elsewhere_supersedes_those_that_wait(peer: Peer) -> None:
    first, _ = await peer.wishes.put("call-42", "enqueue")
    await peer.wishes.put("call-43", "newest")
    assert not (await peer.look(first)).is_superseded
    await peer.wishes.put("call-42", "newest")
    assert (await peer.look(first)).is_superseded


async def test_an_interrupt_whose_notices_were_lost_is_shown_again(start: Start, peer: Peer) -> None:
    await peer.leases.take("call-42")
    async with start() as graph, asyncio.timeout(PATIENCE):
        interrupting = asyncio.create_task(others(graph).interrupt("call-42", "one"))
        await peer.until_noticed(3)
        assert len(set(peer.notices)) == 1
        id_ = int(peer.notices[0].removeprefix("wish "))
        wish = await peer.wishes.receive(id_)
        assert wish and (wish.kind, wish.heard) == ("interrupt", "one")
        await peer.wishes.answer(id_, "cut")
        assert await interrupting == InterruptedElsewhere(ran=True, cut=True)


async def test_an_interrupt_that_is_shown_again_does_not_hit_the_next_turn(start: Start, peer: Peer) -> None:
    async with start(held(LONG, 3), held(LONG, 4)) as graph:
        first = await spoken_until(graph, 3)
        id_, _ = await peer.wishes.put("call-42", "interrupt", "one two")
        await drained(first)
        assert await peer.until_answered(id_) == "cut"
        second = await spoken_until(graph, 3)
        others(graph).hear(f"wish {id_}")
        await peer.until_received((await peer.wishes.put("call-42", "enqueue"))[0])
        run = graph.resources.threads.running("call-42")
        assert run and not run.stop.requested
        assert await peer.until_answered(id_) == "cut"
        await second.aclose()


async def test_an_interrupt_of_an_earlier_turn_does_not_hit_one_that_began_since(
    start: Start, peer: Peer
) -> None:
    async with start(held(LONG, 3)) as graph:
        id_, is_held = await peer.wishes.put("call-42", "interrupt")
        assert not is_held
        stream = await spoken_until(graph, 3)
        assert await peer.until_answered(id_) == "ended"
        run = graph.resources.threads.running("call-42")
        assert run and not run.stop.requested
        await stream.aclose()


async def test_an_interrupt_whose_first_notice_was_lost_hits_the_turn_that_was_meant(
    start: Start, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start(held(LONG, 3)) as graph:
        stream = await spoken_until(graph, 3)
        with monkeypatch.context() as deaf:
            deaf.setattr(Leases, "hear", lambda leases, notice: None)
            id_, _ = await peer.wishes.put("call-42", "interrupt")
            await peer.look(id_)
        answering = asyncio.create_task(peer.until_answered(id_))
        await drained(stream)
        assert await answering == "ended"


async def test_a_process_that_interrupts_sees_signs_of_life_while_the_turn_ends(
    start: Start, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    storing, save = Hold(), Messages.save

    async def slow_save(*given: Any, **named: Any) -> None:
        await storing.wait()
        await save(*given, **named)

    monkeypatch.setattr(Messages, "save", slow_save)
    async with start(held(LONG, 3)) as graph:
        stream = await spoken_until(graph, 3)
        id_, _ = await peer.wishes.put("call-42", "interrupt")
        await storing.reached.wait()
        first, second = [await peer.until_received(id_) for _ in range(2)]
        assert first < second and (await peer.look(id_)).answer is None
        storing.set()
        await drained(stream)
        assert await peer.until_answered(id_) == "ended"
