"""What a crash leaves of a turn is in the record at once, and in the window before the next turn."""

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from open_voice import OpenVoice

import voicegraph.graph.threads.journaling as journaling
from voicegraph.graph import Resources, build_graph, open_resources, stream_turn
from voicegraph.nodes import Speech, voice_tool
from voicegraph.nodes.replies.reply import Reply
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor, open_store
from voicegraph.state.conversations.crash_records import record_dead
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.conversations.messages import Messages
from voicegraph.state.conversations.turn_journal import TurnJournal
from voicegraph.state.errors import StorageError

CALL: RunnableConfig = {"configurable": {"thread_id": "call-1"}}
NOW = datetime(2026, 11, 28, tzinfo=UTC)
DEAD = 7
"""A token that no process holds."""


@pytest.fixture
def voice_url(each_url: str) -> str:
    return each_url


async def leave(resources: Resources, words: str, spoken: str, turn_id: str = "turn-1") -> None:
    """Leave a turn in the journal, as a process that was killed does."""
    await resources.known.claim(Actor(), "", "call-1")
    journal = resources.store.journal
    said = MessageRecord(id=f"{turn_id}-words", turn_id=turn_id, role="user", text=words, created_at=NOW)
    assert await journal.begin("call-1", turn_id, DEAD, NOW, [said])
    await journal.note([("call-1", turn_id, spoken)])
    resources.known.forget("call-1")


async def said(resources: Resources) -> list[tuple[str, str, str | None]]:
    """Return what is in the record."""
    history = await resources.store.messages.history(Actor(), "call-1")
    return [(message.role, message.text, message.status) for message in history]


async def say(resources: Resources, words: str) -> str:
    """Run a turn and return what was spoken."""
    events = stream_turn(build_graph(resources), words, CALL)
    return "".join([event.content async for event in events if isinstance(event, Speech)])


async def test_words_of_a_dead_process_are_in_the_record_without_a_turn(
    open_voice: OpenVoice, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        await leave(resources, "My card was stolen.", "I am sorry to")
        with caplog.at_level(logging.INFO):
            assert await resources.crashed.record() == 1
            assert await resources.crashed.record() == 0
        assert await said(resources) == [
            ("user", "My card was stolen.", None),
            ("assistant", "I am sorry to", "cut"),
        ]
        [thread] = await resources.store.threads.list(Actor())
        assert thread.cut_off
        await resources.store.recall.index_due()
        found = await resources.store.recall.search(Actor(), thread.agent_id, "stolen card")
        assert found.hits[0].message.text == "My card was stolen."
    [line] = [record for record in caplog.records if "cut off" in record.message]
    assert (line.levelname, vars(line)["thread_id"]) == ("WARNING", "call-1")
    assert "card" not in line.getMessage()


async def test_a_process_that_starts_records_what_another_left(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        await resources.crashed.close()
        await leave(resources, "My card was stolen.", "")
    recorded = asyncio.Event()
    async with open_voice(ScriptedChatModel([])) as resources:
        resources.crashed.tell(lambda turns: recorded.set() if turns else None)
        async with asyncio.timeout(20):
            await recorded.wait()
        assert await said(resources) == [("user", "My card was stolen.", None)]


async def test_whoever_only_looks_finds_what_a_dead_process_left(
    open_voice: OpenVoice, each_url: str
) -> None:
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two three.", hold=hold, hold_after=1)])
    other: Any = {"configurable": {"thread_id": "call-2"}}
    async with open_voice(model) as resources:
        await resources.crashed.close()
        await leave(resources, "My card was stolen.", "I am sorry to")
        events = stream_turn(build_graph(resources), "Count.", other)
        await anext(events)
        store = await open_store(each_url)
        await record_dead(store.database)
        found = [message.text for message in await store.messages.history(Actor(), "call-1")]
        assert found == ["My card was stolen.", "I am sorry to"]
        assert await store.messages.count(Actor(), "call-2") == 0
        await store.close()
        hold.set()
        async for _ in events:
            pass


@pytest.mark.parametrize("recorded", [False, True])
async def test_the_next_turn_knows_what_a_crash_left(open_voice: OpenVoice, recorded: bool) -> None:
    model = ScriptedChatModel(["Hello.", "I am back."])
    async with open_voice(model) as resources:
        await resources.crashed.close()
        await say(resources, "Hi.")
        await leave(resources, "My card was stolen.", "I am sorry to")
        if recorded:
            await resources.crashed.record()
        assert await say(resources, "Are you there?") == "I am back."
        assert [str(message.text) for message in model.requests[-1].messages[1:]] == [
            "Hi.",
            "Hello.",
            "My card was stolen.",
            "I am sorry to",
            "Are you there?",
        ]
        assert await said(resources) == [
            ("user", "Hi.", None),
            ("assistant", "Hello.", None),
            ("user", "My card was stolen.", None),
            ("assistant", "I am sorry to", "cut"),
            ("user", "Are you there?", None),
            ("assistant", "I am back.", None),
        ]
        assert await resources.store.journal.find("call-1") is None
        [thread] = await resources.store.threads.list(Actor())
        assert not thread.cut_off


async def test_the_first_turn_of_a_thread_is_known_before_any_checkpoint_of_it(open_voice: OpenVoice) -> None:
    model = ScriptedChatModel(["I am back."])
    async with open_voice(model) as resources:
        await leave(resources, "My card was stolen.", "")
        await say(resources, "Are you there?")
        asked = [str(message.text) for message in model.requests[-1].messages[1:]]
        assert asked == ["My card was stolen.", "Are you there?"]


async def test_a_turn_that_could_not_be_stored_is_known_to_the_next(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedChatModel(["One two three.", "Four."])

    async def fail(*_: Any, **__: Any) -> None:
        raise StorageError("the disk is full")

    async with open_voice(model, storage_patience=0) as resources:
        with monkeypatch.context() as patch:
            patch.setattr(Messages, "save", fail)
            with suppress(StorageError):
                await say(resources, "Count.")
        assert await say(resources, "Go on.") == "Four."
        texts = [(role, text) for role, text, _ in await said(resources)]
        assert texts == [
            ("user", "Count."),
            ("assistant", "One two three."),
            ("user", "Go on."),
            ("assistant", "Four."),
        ]


@pytest.mark.parametrize("then", ["nothing", "go on"])
async def test_a_turn_of_which_nothing_could_be_written_is_kept_until_it_can_be(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    async def fail(*_: Any, **__: Any) -> bool:
        raise StorageError("the disk is full")

    model = ScriptedChatModel(["Hello.", "One two three.", "Four."])
    async with open_voice(model, storage_patience=0) as resources:
        await say(resources, "Hi.")
        with monkeypatch.context() as patch:
            for owner, name in [(Messages, "save"), (TurnJournal, "begin"), (TurnJournal, "keep")]:
                patch.setattr(owner, name, fail)
            with suppress(StorageError):
                await say(resources, "Count.")
            with suppress(StorageError):
                await resources.owner.journaling.flush()
        await resources.owner.journaling.flush()
        if then == "nothing":
            assert await resources.crashed.record() == 1
            assert [text for _, text, _ in await said(resources)][2:] == ["Count.", "One two three."]
        else:
            assert await say(resources, "Go on.") == "Four."
            asked = [str(message.text) for message in model.requests[-1].messages[1:]]
            assert asked == ["Hi.", "Hello.", "Count.", "One two three.", "Go on."]
            assert [text for _, text, _ in await said(resources)] == [*asked, "Four."]


async def test_what_a_broken_run_spoke_and_its_apology_are_known_to_the_next_turn_at_once(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedChatModel(["One two three.", "Four."])

    class Broken(BaseException):
        """No error that a step could end its turn with."""

    async def fail(*_: Any, **__: Any) -> None:
        raise Broken

    async with open_voice(model) as resources:
        with monkeypatch.context() as patch:
            patch.setattr(Reply, "close", fail)
            with suppress(Broken):
                await say(resources, "Count.")
        assert await say(resources, "Go on.") == "Four."
        heard = f"One two three. {resources.settings.broken_reply}"
        asked = [str(message.text) for message in model.requests[-1].messages[1:]]
        assert asked == ["Count.", heard, "Go on."]
        assert [text for _, text, _ in await said(resources)] == [*asked, "Four."]


async def test_a_turn_that_was_taken_for_dead_and_goes_on_is_recorded_once(open_voice: OpenVoice) -> None:
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two three.", hold=hold, hold_after=1)])
    async with open_voice(model) as resources:
        events = stream_turn(build_graph(resources), "Count.", CALL)
        await anext(events)
        await resources.owner.journaling.flush()
        turn = await resources.store.journal.find("call-1")
        assert turn is not None
        assert await resources.store.journal.record(turn)
        assert [status for _, _, status in await said(resources)] == [None, "cut"]
        hold.set()
        async for _ in events:
            pass
        assert [text for _, text, _ in await said(resources)] == ["Count.", "One two three."]


async def test_words_spoken_before_and_after_a_crash_are_both_in_the_record(open_voice: OpenVoice) -> None:
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two three.", hold=hold, hold_after=1)])
    async with open_voice(model) as resources:
        events = stream_turn(build_graph(resources), "Count.", CALL)
        await anext(events)
        await resources.owner.journaling.flush()
        turn = await resources.store.journal.find("call-1")
        assert turn is not None
        await resources.store.journal.go_on(turn, "", datetime.now(UTC))
        hold.set()
        async for _ in events:
            pass
        assert await said(resources) == [
            ("user", "Count.", None),
            ("assistant", "One", "cut"),
            ("assistant", "One two three.", None),
        ]


async def test_a_whole_turn_leaves_nothing_in_the_journal(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Hello."])) as resources:
        await say(resources, "Hi.")
        assert await resources.store.journal.find("call-1") is None
        assert await resources.crashed.record() == 0


async def test_a_turn_that_goes_on_is_left_alone(open_voice: OpenVoice) -> None:
    hold = asyncio.Event()
    model = ScriptedChatModel([ScriptedReply(text="One two three.", hold=hold, hold_after=1)])
    async with open_voice(model) as resources, open_voice(ScriptedChatModel([])) as other:
        events = stream_turn(build_graph(resources), "Count.", CALL)
        await anext(events)
        assert await resources.crashed.record() == 0
        assert await other.crashed.record() == 0
        hold.set()
        async for _ in events:
            pass
        assert [text for _, text, _ in await said(resources)] == ["Count.", "One two three."]


async def test_a_tool_with_side_effects_does_not_run_while_its_turn_is_not_written_down(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    @voice_tool(side_effects=True)
    async def book() -> str:
        """Book a table."""
        ran.append("book")
        return "Booked."

    async def fail(*_: Any, **__: Any) -> bool:
        raise StorageError("the disk is full")

    monkeypatch.setattr(TurnJournal, "begin", fail)
    model = ScriptedChatModel([calls("book", "I book it."), "I could not."])
    async with open_voice(model, tools=[book]) as resources:
        await say(resources, "Book a table.")
    assert ran == []


async def test_what_was_announced_is_written_down_before_a_tool_with_side_effects_runs(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken: list[str] = []

    @voice_tool(side_effects=True)
    async def book() -> str:
        """Book a table."""
        turn = await resources.store.journal.find("call-1")
        assert turn is not None
        spoken.append(turn.spoken)
        return "Booked."

    monkeypatch.setattr(journaling, "FLUSH_SECONDS", 1000.0)
    model = ScriptedChatModel([calls("book", "I book it."), "Done."])
    async with open_voice(model, tools=[book]) as resources:
        await say(resources, "Book a table.")
    assert spoken == ["I book it."]


async def test_the_model_is_asked_before_the_turn_is_written_down(
    open_voice: OpenVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, begin = asyncio.Event(), TurnJournal.begin

    def answer(_: object) -> str:
        asked.set()
        return "Hello."

    async def late(*given: Any, **named: Any) -> bool:
        await asked.wait()
        return await begin(*given, **named)

    monkeypatch.setattr(TurnJournal, "begin", late)
    async with open_voice(ScriptedChatModel(answer)) as resources:
        assert await say(resources, "Hi.") == "Hello."


async def test_a_forgotten_thread_leaves_nothing_in_the_journal(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        await leave(resources, "My card was stolen.", "I am")
        await resources.store.threads.delete(Actor(), "call-1")
        assert await resources.store.journal.find("call-1") is None


async def test_a_database_in_memory_needs_no_journal() -> None:
    async with open_resources("sqlite://", model=ScriptedChatModel(["Hello."])) as resources:
        await say(resources, "Hi.")
        assert not resources.owner.journaling.enabled
