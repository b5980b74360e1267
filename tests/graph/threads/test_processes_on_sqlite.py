"""Two processes on one SQLite file: each thread has one turn at a time, and one server serves it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from open_voice import OpenVoice
from patience import PATIENCE

from voicegraph.graph import Resources, build_graph, stream_turn
from voicegraph.nodes import Speech, TurnFinished, voice_tool
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.errors import InvalidSetting, StorageError, ThreadBusy
from voicegraph.state.sqlite import checkpoints as sqlite_checkpoints
from voicegraph.state.upkeep.forget import forget_thread

NOW = datetime(2026, 11, 28, tzinfo=UTC)

CALL: RunnableConfig = {"configurable": {"thread_id": "call-1"}}
OTHER: Any = {"configurable": {"thread_id": "call-2"}}


async def say(resources: Resources, words: str, config: Any = CALL) -> str:
    events = stream_turn(build_graph(resources), words, config)
    return "".join([event.content async for event in events if isinstance(event, Speech)])


async def test_a_turn_on_a_thread_that_another_process_has_is_refused(open_voice: OpenVoice) -> None:
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two three.", hold=hold, hold_after=1), "Four."])
    second = ScriptedChatModel(["Elsewhere.", "Five."])
    async with open_voice(model) as first, open_voice(second) as other:
        events = stream_turn(build_graph(first), "Count.", CALL)
        await anext(events)
        with pytest.raises(ThreadBusy, match="another process .* wait for its end, or use PostgreSQL"):
            await say(other, "Go on.")
        assert await say(other, "Hi.", OTHER) == "Elsewhere."
        hold.set()
        async for _ in events:
            pass
        assert await say(other, "Go on.") == "Five."
        assert await say(first, "Again.") == "Four."
        asked = [str(message.text) for message in model.requests[-1].messages[1:]]
        assert asked == ["Count.", "One two three.", "Go on.", "Five.", "Again."]
        history = await first.store.messages.history(Actor(), "call-1")
        assert [message.text for message in history] == [*asked, "Four."]


async def test_a_tool_runs_once_when_two_processes_get_the_same_words(open_voice: OpenVoice) -> None:
    ran: list[str] = []

    @voice_tool(side_effects=True)
    async def book() -> str:
        """Book a table."""
        ran.append("book")
        await asyncio.sleep(0)
        return "Booked."

    def model() -> ScriptedChatModel:
        return ScriptedChatModel([calls("book", "I book it."), "Done."])

    async with open_voice(model(), tools=[book]) as first, open_voice(model(), tools=[book]) as other:
        told = await asyncio.gather(
            say(first, "Book a table."), say(other, "Book a table."), return_exceptions=True
        )
    assert sorted(type(each).__name__ for each in told) == ["ThreadBusy", "str"]
    assert ran == ["book"]


async def test_a_process_takes_over_a_thread_that_another_left(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["One.", "Three."])
    async with open_voice(model) as first:
        await say(first, "First.")
        async with open_voice(ScriptedChatModel(["Two."])) as other:
            await say(other, "Second.")
        await say(first, "Third.")
        asked = [str(message.text) for message in model.requests[-1].messages[1:]]
        assert asked == ["First.", "One.", "Second.", "Two.", "Third."]


async def test_a_visitor_that_has_gone_is_noticed_on_every_thread(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["One.", "Two.", "Three.", "Four."])
    async with open_voice(model) as first:
        await first.crashed.close()
        await say(first, "First.")
        await say(first, "Second.", OTHER)
        async with open_voice(ScriptedChatModel([])) as visitor:
            await visitor.crashed.close()
            token = visitor.owner.journaling.token
        for thread in ("call-1", "call-2"):
            said = MessageRecord(id=thread, turn_id=thread, role="user", text="Lost.")
            assert await first.store.journal.begin(thread, thread, token, NOW, [said])
        for config in (CALL, OTHER):
            await say(first, "Last.", config)
            assert [str(message.text) for message in model.requests[-1].messages[-2:]] == ["Lost.", "Last."]


async def test_storing_waits_for_a_file_that_another_program_locks(
    open_voice: OpenVoice, tmp_path: Path
) -> None:
    def answer(_: object) -> str:
        locking.execute("BEGIN IMMEDIATE")
        return "Hello."

    async with open_voice(ScriptedChatModel(answer)) as resources:
        write, refused = resources.store.database.write, asyncio.Event()

        async def refusing(function: Any) -> Any:
            if locking.in_transaction:
                refused.set()
                error = StorageError("database is locked")
                error.retryable = True
                raise error
            return await write(function)

        locking = sqlite3.connect(tmp_path / "other.db", isolation_level=None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(resources.store.database, "write", refusing)
            turn = asyncio.create_task(say(resources, "Hi."))
            await refused.wait()
            locking.execute("ROLLBACK")
            assert await turn == "Hello."
        locking.close()
        history = await resources.store.messages.history(Actor(), "call-1")
        assert [message.text for message in history] == ["Hi.", "Hello."]


class Locker:
    """Another program that locks the file of checkpoints; `refused` is set when a write has failed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refused, fault = asyncio.Event(), sqlite_checkpoints.storage_error
        self._connection = sqlite3.connect(folder / "voice.checkpoints.db", isolation_level=None)

        def note(shown: str, error: BaseException) -> StorageError:
            self.refused.set()
            return fault(shown, error)

        monkeypatch.setattr(sqlite_checkpoints, "storage_error", note)

    def lock(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def free(self) -> None:
        self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def locker(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Locker]:
    locker = Locker(tmp_path, monkeypatch)
    yield locker
    locker.close()


def locking(locker: Locker) -> ScriptedChatModel:
    """Return a model that locks the file while it answers "Count."."""

    def answer(messages: list[BaseMessage]) -> str:
        if messages[-1].text != "Count.":
            return "Hello."
        locker.lock()
        return "One two three."

    return ScriptedChatModel(answer)


async def recorded(resources: Resources) -> list[str]:
    return [message.text for message in await resources.store.messages.history(Actor(), "call-1")]


async def test_a_turn_is_stored_once_the_checkpoints_can_be_written_again(
    open_voice: OpenVoice, locker: Locker
) -> None:
    model = locking(locker)
    async with open_voice(model) as resources:
        await say(resources, "Hi.")
        turn = asyncio.create_task(say(resources, "Count."))
        await locker.refused.wait()
        assert await recorded(resources) == ["Hi.", "Hello."]
        locker.free()
        assert await turn == "One two three."
        await say(resources, "Go on.")
        asked = [str(message.text) for message in model.requests[-1].messages[1:]]
        assert asked == ["Hi.", "Hello.", "Count.", "One two three.", "Go on."]
        assert await recorded(resources) == [*asked, "Hello."]


async def test_a_turn_whose_checkpoints_were_never_written_is_known_to_the_next_one(
    open_voice: OpenVoice, locker: Locker
) -> None:
    model = locking(locker)
    async with open_voice(model, storage_patience=0) as resources:
        await say(resources, "Hi.")
        with pytest.raises(StorageError):
            await say(resources, "Count.")
        locker.free()
        await say(resources, "Go on.")
        asked = [str(message.text) for message in model.requests[-1].messages[1:]]
        assert asked == ["Hi.", "Hello.", "Count.", "One two three.", "Go on."]
        assert await recorded(resources) == [*asked, "Hello."]


async def test_a_process_ends_although_a_turn_cannot_be_stored(open_voice: OpenVoice, locker: Locker) -> None:
    async with asyncio.timeout(PATIENCE):
        async with open_voice(locking(locker), shutdown_seconds=0, storage_patience=1000) as resources:
            await say(resources, "Hi.")
            events = stream_turn(build_graph(resources), "Count.", CALL)
            heard = [event async for event in until_finished(events)]
            await locker.refused.wait()
            await events.aclose()
    assert [event.content for event in heard if isinstance(event, Speech)] == ["One", " two", " three."]
    locker.free()
    async with open_voice(ScriptedChatModel([])) as resources:
        await resources.crashed.record()
        assert await recorded(resources) == ["Hi.", "Hello.", "Count.", "One two three."]


async def until_finished(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for event in events:
        yield event
        if isinstance(event, TurnFinished):
            return


async def test_words_that_left_the_journal_are_not_in_the_file(open_voice: OpenVoice, tmp_path: Path) -> None:
    async with open_voice(ScriptedChatModel(["Hello."])) as resources:
        await say(resources, "My secret is abracadabra.")
        await forget_thread(resources.store, resources.checkpointer, Actor(), "call-1")
    assert [file.name for file in tmp_path.iterdir() if b"abracadabra" in file.read_bytes()] == []


def serve(resources: Resources) -> None:
    resources.owner.serve()


async def test_one_server_serves_a_file(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as first:
        serve(first)
        async with open_voice(ScriptedChatModel([])) as other:
            with pytest.raises(InvalidSetting, match=r"another server has .*voice\.db open.*PostgreSQL"):
                serve(other)
    async with open_voice(ScriptedChatModel([])) as resources:
        serve(resources)
