"""Calls of clients that name no thread: each is one conversation, and nobody hears of another one."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from hold import Hold
from served_app import Serve

from voicegraph.graph import Resources
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply

URL = "/v1/chat/completions"
PROMPT = {"role": "system", "content": "You are a receptionist."}
HELLO, HI = "Hello?", ">Hi, how can I help you?"


@pytest.fixture
def voice_url(each_url: str) -> str:
    """Run these tests on both databases."""
    return each_url


@dataclass
class Line:
    """A served agent, and what its model was asked."""

    client: httpx.AsyncClient
    model: ScriptedChatModel
    resources: Resources

    async def says(self, *told: str, **named: str) -> str:
        """Send a history, whose replies begin with `>`, and return the id of its thread."""
        roles = {True: "assistant", False: "user"}
        messages = [{"role": roles[text[0] == ">"], "content": text.lstrip(">")} for text in told]
        answer = await self.client.post(URL, json={"messages": [PROMPT, *messages], "stream": True, **named})
        return answer.headers["x-thread-id"]

    def spoken(self) -> str:
        """Return what the running turns have spoken so far."""
        return "".join(run.speaker.spoken for run in self.resources.threads.all())

    def asked(self, place: int = -1) -> list[str]:
        """Return the conversation of a request to the model."""
        messages = [m for m in self.model.requests[place].messages if m.type in ("human", "ai")]
        return [f"{'>' if message.type == 'ai' else ''}{message.text}" for message in messages]


OpenLine = Callable[..., AbstractAsyncContextManager[Line]]


@pytest.fixture
def line(serve: Serve) -> OpenLine:
    @asynccontextmanager
    async def open_it(*replies: str | ScriptedReply) -> AsyncGenerator[Line]:
        model = ScriptedChatModel(list(replies))
        async with serve(model) as served, served.client() as client:
            yield Line(client, model, served.resources)

    return open_it


async def test_calls_that_began_alike_and_go_on_at_once_are_not_mixed(line: OpenLine) -> None:
    async with line(HI[1:], HI[1:], *["Fine."] * 4) as phone:
        first = [await phone.says(HELLO), await phone.says(HELLO)]
        orders = ["A table.", "A taxi."]
        second = await asyncio.gather(*(phone.says(HELLO, HI, order) for order in orders))
        assert len({*first, *second}) == 4
        for order in orders:
            await phone.says(HELLO, HI, order, ">Fine.", "Thanks.")
            assert phone.asked() == [HELLO, HI, order, ">Fine.", "Thanks."]


async def test_a_call_that_began_like_another_one_stays_on_its_thread_from_then_on(line: OpenLine) -> None:
    async with line(HI[1:], HI[1:], "For whom?", "Fine.", "Bye.") as phone:
        await phone.says(HELLO)
        await phone.says(HELLO)
        told = [HELLO, HI, "A table.", ">For whom?", "Two.", ">Fine.", "Bye."]
        threads = [await phone.says(*told[:size]) for size in (3, 5, 7)]
        assert len(set(threads)) == 1
        assert phone.asked() == told


async def test_a_sentence_that_another_caller_said_decides_nothing(line: OpenLine) -> None:
    async with line("Hello Ada.", "Noted.", "Good day.", "Yes?", "I don't know.") as phone:
        ada = await phone.says("I am Ada.")
        assert await phone.says("I am Ada.", ">Hello Ada.", "My PIN is 9999. Yes.") == ada
        bob = await phone.says("I am Bob.")
        told = ["I am Bob.", ">Good day.", "My PIN is 9999. Yes.", ">Yes?", "What is my PIN?"]
        assert [await phone.says(*told[:3]), await phone.says(*told)] == [bob, bob]
        assert phone.asked() == told


@pytest.mark.parametrize("heard", [[], [">For"], [">For how many?"]])
async def test_words_over_a_reply_go_on_with_its_thread(line: OpenLine, heard: list[str]) -> None:
    hold = asyncio.Event()
    held = ScriptedReply(text="For how many?", hold=hold, hold_after=2)
    async with line(HI[1:], held if len(heard) < 2 else "For how many?", "Fine.") as phone:
        thread = await phone.says(HELLO)
        table = asyncio.create_task(phone.says(HELLO, HI, "A table."))
        # Nobody tells words that did not go out yet: they wait for those of the caller to be kept.
        while len(phone.model.requests) < 2 or heard == [">For"] and not phone.spoken().startswith("For"):
            await asyncio.sleep(0)
        if heard == [">For how many?"]:
            hold.set()
            await table
        assert await phone.says(HELLO, HI, "A table.", *heard, "For two.") == thread
        assert await table == thread
        assert phone.asked() == [HELLO, HI, "A table.", *heard, "For two."]


async def test_a_draft_of_later_words_leaves_no_trace(line: OpenLine) -> None:
    async with line(HI[1:], "What?", "For how many?", "Fine.") as phone:
        thread = await phone.says(HELLO)
        assert await phone.says(HELLO, HI, "A ta") == thread
        assert await phone.says(HELLO, HI, "A table.") == thread
        assert await phone.says(HELLO, HI, "A table.", ">For how many?", "Two.") == thread
        assert phone.asked() == [HELLO, HI, "A table.", ">For how many?", "Two."]


async def test_the_same_later_request_at_once_is_one_turn(line: OpenLine) -> None:
    hold = Hold()
    async with line(HI[1:], ScriptedReply(text="For how many?", hold=hold, hold_after=1)) as phone:
        thread = await phone.says(HELLO)
        asking = [asyncio.create_task(phone.says(HELLO, HI, "A table.")) for _ in range(3)]
        await hold.reached.wait()
        hold.set()
        assert await asyncio.gather(*asking) == [thread] * 3
        assert len(phone.model.requests) == 2


async def test_a_later_request_again_is_the_same_turn(line: OpenLine) -> None:
    async with line(HI[1:], *["For how many?"] * 3) as phone:
        thread = await phone.says(HELLO)
        assert [await phone.says(HELLO, HI, "A table.") for _ in range(2)] == [thread] * 2
        told = [HELLO, HI, "A table.", ">For how many?", "Two."]
        assert await phone.says(*told) == thread
        assert phone.asked() == told


async def test_the_request_of_another_caller_with_the_same_words_is_no_request_again(line: OpenLine) -> None:
    async with line(HI[1:], HI[1:], "For how many?", "For whom?") as phone:
        first = [await phone.says(HELLO), await phone.says(HELLO)]
        second = [await phone.says(HELLO, HI, "A table.") for _ in range(2)]
        assert len({*first, *second}) == 4


async def test_other_words_after_a_draft_that_was_dropped_stay_on_the_thread(line: OpenLine) -> None:
    held = ScriptedReply(text="Yes please?", hold=asyncio.Event(), hold_after=1)
    async with line(HI[1:], held, "For how many?") as phone:
        thread = await phone.says(HELLO)
        draft = asyncio.create_task(phone.says(HELLO, HI, "Hm"))
        while len(phone.model.requests) < 2:
            await asyncio.sleep(0)
        draft.cancel()
        await asyncio.wait({draft})
        assert await phone.says(HELLO, HI, "A table.") == thread
        assert phone.asked() == [HELLO, HI, "A table."]


async def test_a_running_turn_of_a_client_that_sends_newest_words_alone_is_not_continued(
    line: OpenLine,
) -> None:
    hold = asyncio.Event()
    held = ScriptedReply(text="Sure. Anything else?", hold=hold, hold_after=2)
    async with line("Thanks.", held, "I don't know.") as phone:
        hers = await phone.says("My PIN is 9999", thread_id="hers")
        saying = asyncio.create_task(phone.says("Yes.", thread_id=hers))
        while len(phone.model.requests) < 2:
            await asyncio.sleep(0)
        told = ["Yes.", ">Sure.", "What is my PIN?"]
        assert await phone.says(*told) != hers
        assert phone.asked() == told
        hold.set()
        await saying


async def test_a_call_whose_words_are_corrected_later_stays_on_its_thread(line: OpenLine) -> None:
    async with line(HI[1:], "For how many people?", "At what time shall it be?", "Fine.") as phone:
        told = [HELLO, HI, "A table for tonite.", ">For how many people?", "Two."]
        thread = await phone.says(HELLO)
        assert [await phone.says(*told[:size]) for size in (3, 5)] == [thread] * 2
        told = [*told[:2], "A table for tonight.", *told[3:], ">At what time shall it be?", "Seven."]
        assert await phone.says(*told) == thread
        assert phone.asked() == told
