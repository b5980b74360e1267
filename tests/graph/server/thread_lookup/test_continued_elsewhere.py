"""A client that names no thread continues its own one also when another process has served it, or died."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers

from voicegraph.graph import Resources, build_graph, open_resources
from voicegraph.graph.server.app import create_app
from voicegraph.graph.server.chat.chat_request import read_chat_request
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply
from voicegraph.state import Actor
from voicegraph.state.conversations.message_rows import MessageRecord

DEAD = 7
"""A token that no process holds."""


class Process:
    """A server, as one of several processes."""

    def __init__(self, resources: Resources, model: ScriptedChatModel) -> None:
        self.resources, self.model = resources, model
        self.turns = create_app(build_graph(resources)).state.turns

    async def begin(self, *said: str) -> Any:
        """Begin a turn: `u:` words, `a:` replies."""
        roles = {"u": "user", "a": "assistant"}
        history = [{"role": roles[kind], "content": text} for kind, text in (e.split(":", 1) for e in said)]
        body = json.dumps({"messages": history, "stream": True}).encode()
        return await self.turns.of_request(Actor(), "default", read_chat_request(body, Headers()))

    async def ask(self, *said: str) -> str:
        """Ask, hear all of the reply, and return the thread."""
        turn = await self.begin(*said)
        await heard(turn, 99)
        turn.part()
        return turn.thread_id

    def prompt(self) -> list[str]:
        """Return what the model was asked last, without its system prompt."""
        kinds = {"human": "u", "ai": "a"}
        return [f"{kinds[each.type]}:{each.text}" for each in self.model.requests[-1].messages[1:]]


@asynccontextmanager
async def process(url: str, *replies: Any) -> AsyncGenerator[Process]:
    model = ScriptedChatModel(list(replies))
    async with open_resources(url, model=model) as resources:
        yield Process(resources, model)


async def heard(turn: Any, words: int) -> str:
    """Return the first words of a turn."""
    said = ""
    async with aclosing(turn.events()) as events:
        async for event in events:
            said += event.content if isinstance(event, Speech) else ""
            if len(said.split()) >= words:
                break
    return said


async def test_a_turn_that_another_process_has_just_spoken_is_continued(postgres_url: str) -> None:
    async with process(postgres_url, "Hello.", "Sure.") as one, process(postgres_url, "Fine.") as other:
        first = await one.ask("u:Hi")
        assert await other.ask("u:Hi", "a:Hello.", "u:A room.") == first
        assert await one.ask("u:Hi", "a:Hello.", "u:A room.", "a:Fine.", "u:For two.") == first
        assert one.prompt() == ["u:Hi", "a:Hello.", "u:A room.", "a:Fine.", "u:For two."]


async def test_a_first_reply_that_another_process_speaks_can_be_interrupted(postgres_url: str) -> None:
    held = ScriptedReply(text="Hello. How can I help you?", hold=asyncio.Event(), hold_after=4)
    async with process(postgres_url, held) as one, process(postgres_url, "Sure.") as other:
        first = await one.begin("u:Hi")
        await heard(first, 4)
        await one.resources.owner.journaling.flush()
        assert await other.ask("u:Hi", "a:Hello. How", "u:A room.") == first.thread_id
        assert other.prompt() == ["u:Hi", "a:Hello. How", "u:A room."]


async def test_a_first_reply_is_found_once_the_other_process_has_written_it_down(postgres_url: str) -> None:
    held = ScriptedReply(text="Hello. How can I help you?", hold=asyncio.Event(), hold_after=4)
    async with process(postgres_url, held) as one, process(postgres_url, "Sure.") as other:
        first = await one.begin("u:Hi")
        await heard(first, 4)
        journal, has_looked = other.resources.store.journal, asyncio.Event()
        read = journal.of_agent

        async def look(*args: Any, **options: Any) -> Any:
            has_looked.set()
            return await read(*args, **options)

        journal.of_agent = look
        asking = asyncio.create_task(other.ask("u:Hi", "a:Hello. How", "u:A room."))
        await has_looked.wait()
        await one.resources.owner.journaling.flush()
        assert await asking == first.thread_id


async def test_a_later_reply_that_another_process_speaks_can_be_interrupted(postgres_url: str) -> None:
    held = ScriptedReply(text="Sure. How many people?", hold=asyncio.Event(), hold_after=3)
    async with process(postgres_url, "Hello.", held) as one, process(postgres_url, "Fine.") as other:
        thread = await one.ask("u:Hi")
        second = await one.begin("u:Hi", "a:Hello.", "u:A room.")
        await heard(second, 2)
        told = ["u:Hi", "a:Hello.", "u:A room.", "u:For two."]
        assert await other.ask(*told) == thread
        assert other.prompt() == told


async def test_a_turn_of_another_caller_in_another_process_is_not_continued(postgres_url: str) -> None:
    held = ScriptedReply(text="Hello Ada. How can I help?", hold=asyncio.Event(), hold_after=3)
    async with process(postgres_url, held) as one, process(postgres_url, "Sure.") as other:
        first = await one.begin("u:Hi")
        await heard(first, 3)
        await one.resources.owner.journaling.flush()
        assert await other.ask("u:Hi", "a:Hello Bob.", "u:A room.") != first.thread_id


async def test_a_reply_that_a_crash_cut_off_is_continued(each_url: str) -> None:
    async with process(each_url, "Hello.", "Sure.") as one:
        thread = await one.ask("u:Hi")
        for run in one.resources.threads.all():
            await run.done.wait()
        said = MessageRecord(
            id="m", turn_id="left", role="user", text="A room.", created_at=datetime.now(UTC)
        )
        assert await one.resources.store.journal.begin(thread, "left", DEAD, datetime.now(UTC), [said])
        await one.resources.store.journal.note([(thread, "left", "When do you")])
        one.resources.known.forget(thread)
        told = ["u:Hi", "a:Hello.", "u:A room.", "a:When do", "u:Tomorrow."]
        assert await one.ask(*told) == thread
        assert one.prompt() == told


async def test_final_words_after_a_draft_that_another_process_answers_stay_on_the_thread(
    postgres_url: str,
) -> None:
    held = ScriptedReply(text="What do you mean?", hold=asyncio.Event(), hold_after=2)
    async with process(postgres_url, "Hello.", held) as one, process(postgres_url, "Fine.") as other:
        thread = await one.ask("u:Hi")
        await heard(await one.begin("u:Hi", "a:Hello.", "u:A ro"), 1)
        told = ["u:Hi", "a:Hello.", "u:A room."]
        assert await other.ask(*told) == thread
        assert other.prompt() == told
