"""A client that names no thread continues its own one, and is never answered on that of another caller."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from served_app import Serve, Served
from starlette.datastructures import Headers

from voicegraph.graph.server.chat.chat_request import read_chat_request
from voicegraph.graph.server.thread_lookup import thread_candidates
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor

URL = "/v1/chat/completions"
KINDS = {"u": "user", "a": "assistant", "s": "system"}
WINDOW = 12


@pytest.fixture
def voice_url(each_url: str) -> str:
    return each_url


def messages(*said: str) -> list[dict[str, Any]]:
    """Return a history: `u:` words, `a:` replies, `s:` notes."""
    return [{"role": KINDS[kind], "content": text} for kind, text in (each.split(":", 1) for each in said)]


@dataclass
class Callers:
    """Several callers of one key."""

    served: Served
    model: ScriptedChatModel

    async def ask(self, *said: str, **body: Any) -> str:
        """Ask, hear all of the reply, and return the thread."""
        async with self.served.client() as client:
            answer = await client.post(URL, json={"messages": messages(*said), **body})
        assert answer.status_code == 200
        return answer.headers["x-thread-id"]

    async def begin(self, *said: str) -> Any:
        """Begin a turn that somebody listens to until `part` is called."""
        body = json.dumps({"messages": messages(*said), "stream": True}).encode()
        request = read_chat_request(body, Headers())
        return await self.served.app.state.turns.of_request(Actor(), "default", request)

    async def stored(self) -> None:
        """Wait until no turn is going on."""
        for run in self.served.resources.threads.all():
            await run.done.wait()

    def prompt(self, place: int = -1) -> list[str]:
        """Return what the model was asked, without its system prompt."""
        kinds = {"human": "u", "ai": "a", "tool": "t"}
        return [f"{kinds[each.type]}:{each.text}" for each in self.model.requests[place].messages[1:]]


Serving = Callable[..., Awaitable[Callers]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def callers(serve: Serve, stack: AsyncExitStack) -> Serving:
    """Return how to serve callers with a model that says `replies`."""

    async def begin(*replies: Any, **settings: Any) -> Callers:
        model = ScriptedChatModel(list(replies))
        return Callers(await stack.enter_async_context(serve(model, **settings)), model)

    return begin


async def heard(turn: Any, words: int) -> str:
    """Return the first words of a turn."""
    said = ""
    async with aclosing(turn.events()) as events:
        while len(said.split()) < words:
            event = await anext(events)
            said += event.content if isinstance(event, Speech) else ""
    return said


async def test_words_that_another_caller_said_too_lead_to_nobody_elses_thread(callers: Serving) -> None:
    them = await callers("Thanks.", "Sure.", "Which PIN?")
    await them.ask("u:Caller Y here, my PIN is 9999")
    hers = await them.ask("u:Caller Y here, my PIN is 9999", "a:Thanks.", "u:Yes.")
    his = await them.ask("u:Yes.", "a:Fine.", "u:What is my PIN?")
    assert his != hers
    assert them.prompt() == ["u:Yes.", "a:Fine.", "u:What is my PIN?"]


async def test_words_and_a_reply_that_another_caller_heard_too_lead_to_nobody_elses_thread(
    callers: Serving,
) -> None:
    them = await callers("Thanks.", "Sure.", "Which PIN?")
    await them.ask("u:Caller Y here, my PIN is 9999")
    hers = await them.ask("u:Caller Y here, my PIN is 9999", "a:Thanks.", "u:Yes.")
    his = await them.ask("u:Yes.", "a:Sure.", "u:What is my PIN?")
    assert his != hers
    assert them.prompt() == ["u:Yes.", "a:Sure.", "u:What is my PIN?"]


async def test_a_record_keeps_the_reply_that_its_caller_heard(callers: Serving) -> None:
    them = await callers("Thanks.", "Sure.", "Which PIN?", "Yes?")
    said = ["u:My PIN is 9999", "a:Thanks.", "u:Yes."]
    await them.ask(*said[:1])
    hers = await them.ask(*said)
    await them.ask("u:Yes.", "a:Fine.", "u:What is my PIN?")
    assert await them.ask(*said, "a:Sure.", "u:And now?") == hers
    assert [m["text"] for m in await them.served.record(hers)][-3:] == ["Sure.", "And now?", "Yes?"]


@pytest.mark.parametrize("count", [2, 20])
async def test_callers_who_begin_with_the_same_words_continue_their_own_threads(
    callers: Serving, count: int
) -> None:
    them = await callers(*(f"Reply {n}." for n in range(count)), *["Fine."] * count)
    first = [await them.ask("u:Hello") for _ in range(count)]
    second = [await them.ask("u:Hello", f"a:Reply {n}.", "u:Yes.") for n in range(count)]
    assert second == first
    assert len(set(first)) == count


async def test_the_right_thread_is_found_among_many_that_end_with_the_same_words(callers: Serving) -> None:
    them = await callers(*(f"Reply {n}." for n in range(12)), "Fine.")
    threads = [await them.ask("u:Yes.") for _ in range(12)]
    assert await them.ask("u:Yes.", "a:Reply 3.", "u:Good.") == threads[3]


async def test_a_new_thread_begins_when_not_all_threads_can_be_looked_at(
    callers: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_candidates, "_MOST", 2)
    them = await callers("One.", "Two.", "Three.", "Fine.")
    threads = [await them.ask("u:Yes.") for _ in range(3)]
    await them.stored()
    assert await them.ask("u:Yes.", "a:Three.", "u:Good.") not in threads
    assert them.prompt() == ["u:Yes.", "a:Three.", "u:Good."]


async def test_words_of_a_caller_alone_continue_no_thread(callers: Serving) -> None:
    them = await callers("Fine.", "Good.", "Nice.")
    first = await them.ask("u:Yes.")
    assert await them.ask("u:Yes.", "u:A room.") != first
    assert await them.ask("a:Good day.", "u:Yes.", "u:A room.") != first


async def test_a_history_with_a_reply_of_another_server_begins_a_new_thread(callers: Serving) -> None:
    them = await callers("Hello.", "Fine.")
    first = await them.ask("u:Hi")
    told = ["u:Hi", "a:Hello.", "u:A room.", "a:For how many?", "u:Two."]
    assert await them.ask(*told) != first
    assert them.prompt() == told


async def test_a_reply_that_was_not_heard_is_in_nobodys_way(callers: Serving) -> None:
    them = await callers("Hello.", "Never heard.", "Fine.")
    first = await them.ask("u:Hi")
    assert await them.ask("u:Hi", "a:Hello.", "u:A room") == first
    told = ["u:Hi", "a:Hello.", "u:A room", "u:for two."]
    assert await them.ask(*told) == first
    assert them.prompt() == told


@pytest.mark.parametrize("leaves", [True, False], ids=["hung up", "still listening"])
async def test_a_caller_who_interrupts_the_very_first_reply_stays_on_the_thread(
    callers: Serving, leaves: bool
) -> None:
    held = ScriptedReply(text="Hello. How can I help you?", hold=asyncio.Event(), hold_after=4)
    them = await callers(held, "A room.")
    first = await them.begin("u:Hi")
    assert await heard(first, 3) == "Hello. How can"
    if leaves:
        first.part()
    assert await them.ask("u:Hi", "a:Hello. How", "u:A room.") == first.thread_id
    assert them.prompt() == ["u:Hi", "a:Hello. How", "u:A room."]


async def test_a_caller_who_interrupts_the_greeting_of_the_agent_stays_on_the_thread(
    callers: Serving,
) -> None:
    held = ScriptedReply(text="Good day. How can I help you?", hold=asyncio.Event(), hold_after=4)
    them = await callers(held, "A room.")
    first = await them.begin("s:Greet.")
    await heard(first, 3)
    assert await them.ask("s:Greet.", "a:Good day.", "u:A room.") == first.thread_id
    assert them.prompt() == ["a:Good day.", "u:A room."]


async def test_a_caller_who_interrupts_a_reply_twice_stays_on_the_thread(callers: Serving) -> None:
    them = await callers(
        *(ScriptedReply(text=f"{n} two three.", hold=asyncio.Event(), hold_after=2) for n in ("One", "Not")),
        "Fine.",
    )
    first = await them.begin("u:Hi")
    await heard(first, 2)
    second = await them.begin("u:Hi", "a:One", "u:Stop.")
    await heard(second, 1)
    third = await them.ask("u:Hi", "a:One", "u:Stop.", "u:Please.")
    assert third == second.thread_id == first.thread_id
    assert them.prompt() == ["u:Hi", "a:One", "u:Stop.", "u:Please."]


async def test_a_reply_with_an_announced_tool_call_is_recognized(callers: Serving) -> None:
    replies = [calls("current_time", "Let me see."), "It is noon."]
    them = await callers(*replies, *replies, "Bye.", "Bye.")
    first = await them.ask("u:What time is it?")
    await them.stored()
    other = await them.ask("u:What?")
    await them.stored()
    told = ["u:What time is it?", "a:Let me see. It is noon.", "u:Thanks."]
    assert await them.ask(*told) == first
    assert await them.ask("u:What?", "a:Let me see.", "u:Thanks.") == other


async def test_a_turn_that_is_being_stored_is_found(callers: Serving) -> None:
    them = await callers("Hello.", "Fine.")
    first = await them.begin("u:Hi")
    await heard(first, 1)
    assert await them.ask("u:Hi", "a:Hello.", "u:Yes.") == first.thread_id


async def test_a_thread_is_continued_by_one_of_two_requests_at_once(callers: Serving) -> None:
    them = await callers("Hello.", "Fine.", "Good.")
    first = await them.ask("u:Hi")
    told = [["u:Hi", "a:Hello.", f"u:{words}"] for words in ("A room.", "What is my PIN?")]
    threads = await asyncio.gather(*(them.ask(*each) for each in told))
    assert len(set(threads)) == 2
    assert first in threads
    assert sorted([them.prompt(-2), them.prompt(-1)]) == sorted(told)


async def test_words_that_another_caller_said_within_the_hour_are_in_nobodys_way(callers: Serving) -> None:
    them = await callers("Hello.", "Sure.", "Good day.", "Of course.", "When?", "Bye.")
    hers = await them.ask("u:Hi")
    await them.ask("u:Hi", "a:Hello.", "u:A room, please.")
    told = ["u:Hey", "a:Good day.", "u:A room, please.", "a:Of course.", "u:For two."]
    his = await them.ask(*told[:1])
    assert his != hers
    assert await them.ask(*told[:3]) == his
    assert await them.ask(*told) == his
    assert await them.ask(*told, "a:When?", "u:Now.") == his


async def test_a_result_of_the_clients_tool_goes_to_the_thread_of_the_call(callers: Serving) -> None:
    tool: Any = {"type": "function", "function": {"name": "lamp", "description": "Light.", "parameters": {}}}
    them = await callers(
        calls("lamp", id="c1"), calls("lamp", id="c2"), "It is on.", calls("lamp", id="c3"), "It is off."
    )
    other = await them.ask("u:Light!", tools=[tool])
    first = await them.ask("u:Light!", tools=[tool])

    async def tell(call_id: str, *said: str) -> str:
        function = {"name": "lamp", "arguments": "{}"}
        made = {
            "role": "assistant",
            "tool_calls": [{"id": call_id, "type": "function", "function": function}],
        }
        result = {"role": "tool", "tool_call_id": call_id, "content": "done"}
        body: Any = {"messages": [*messages(*said), made, result], "tools": [tool]}
        async with them.served.client() as client:
            return (await client.post(URL, json=body)).headers["x-thread-id"]

    assert await tell("c2", "u:Light!") == first != other
    assert them.prompt() == ["u:Light!", "a:", "t:done"]
    assert await them.ask("u:Light!", "a:It is on.", "u:Off!", tools=[tool]) == first
    assert await tell("c3", "u:Light!", "a:It is on.", "u:Off!") == first


@pytest.mark.parametrize("kept", [1000, 9], ids=["all told", "the last nine told"])
async def test_a_call_that_is_longer_than_the_window_stays_on_its_thread(callers: Serving, kept: int) -> None:
    replies = [f"This is what I have to say about your question number {n}." for n in range(15)]
    them = await callers(*replies, message_buffer_limit=WINDOW, message_buffer_min=6)
    said: list[str] = []
    threads: list[str] = []
    for n, reply in enumerate(replies):
        said.append(f"u:Question {n}?")
        threads.append(await them.ask(*said[-kept:]))
        told = said[-min(kept, len(them.prompt())) :]
        assert them.prompt()[-len(told) :] == told
        said.append(f"a:{reply}")
    assert set(threads) == {threads[0]}
