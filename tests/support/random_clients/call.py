"""One call: what its client knows and sends, what the caller said and heard, and what must come of it."""

import asyncio
import random
from typing import Any

from langchain_core.messages import convert_to_openai_messages
from openai_server import validate_messages
from patience import PATIENCE

from .kinds import KINDS, Kind
from .model import Plan
from .oracle import Item, Truth, holds, in_prompt, in_record, merged
from .phone import Phone
from .wire import Answer
from .words import Words

Message = dict[str, Any]

TOOL = {"type": "function", "function": {"name": "lamp", "parameters": {"type": "object", "properties": {}}}}


class Call:
    """A call; `history` is what its client knows of it, `truth` what the caller said and heard."""

    def __init__(self, phone: Phone, number: int, dice: random.Random, *, trims: bool) -> None:
        self.phone, self.dice, self.words, self.trims = phone, dice, Words(number, dice), trims
        self.kind_name = dice.choice(list(KINDS))
        self.kind: Kind = KINDS[self.kind_name]
        self.headers, self.fields = self.kind.name(f"call-{number}")
        self.agent, self.named = "default", bool(self.headers or self.fields)
        self.prompt, self.has_tools = self.kind.prompt, self.kind.own_tools
        self.history: list[Message] = []
        self.truth = Truth()
        self.orders: list[str] = []
        self.thread, self.is_split = "", not self.named
        """Where it is, and whether other threads may hold what was said before."""
        self.is_confirmed = False
        """True when the client has reported what was heard of the last reply."""
        self.last_words, self.has_heard, self.turns = "", False, 0
        self.is_greeted_by_client = self.kind.greets and dice.random() < 0.6
        self.open: list[tuple[Answer, asyncio.Task[Answer]]] = []
        """Requests whose connections stay open while the caller goes on."""
        self.log: list[str] = []

    def body(self, plan: Plan, *new: Message) -> Message:
        """Return the body of a request with these new messages."""
        system = [{"role": "system", "content": self.prompt}] if self.prompt else []
        history = self.history if self.kind.keeps_history else []
        tools = {"tools": [TOOL]} if self.has_tools else {}
        messages = [*system, *history, *new]
        asked = {"model": self.agent, "messages": messages, "stream": self.kind.streams, **tools}
        return {**asked, **self.fields, "stop": [self.phone.plan(plan)]}

    async def send(
        self, body: Message, answer: Answer | None = None, leave_after: int | None = None
    ) -> Answer:
        """Send a request; its client leaves after so many pieces of the reply, `None` for never."""
        said = [f"{m['role']}: {m.get('content')}" for m in body["messages"]]
        self.note(f"{said} {'' if leave_after is None else f'until {leave_after}'}")
        answer = await self.phone.ask(body, self.headers, answer=answer, leave_after=leave_after)
        assert answer.status == 200, answer.body
        self.note(f"  -> {answer.text!r} on {answer.thread}")
        return answer

    def note(self, what: str) -> None:
        """Keep a line for the report of a failure."""
        self.log.append(f"{self.phone.time.now() % 1_000_000:.1f} {what}")

    def check(self, plan: Plan, *said: str) -> None:
        """Check all prompts of a request that ended with these words of the caller."""
        for prompt in plan.prompts:
            dicts: Any = convert_to_openai_messages(prompt)
            assert validate_messages(dicts) == [], dicts
            wanted = self.truth.items(*said)
            # What the model itself said before a tool's result is not heard yet.
            found = in_prompt(prompt, through_last_words=bool(said))
            self._compare("prompt", found, wanted, said)

    async def check_record(self) -> None:
        """Check what is kept of the call, and that each order was carried out once."""
        record = await self.phone.record(self.thread)
        self.note(str([(m["role"], m["text"], m["status"]) for m in record]))
        self._compare("record", in_record(record), self.truth.items(), (), trims=self.is_split)
        booked = {order: self.phone.booked[order] for order in self.orders}
        assert set(booked.values()) <= {1}, booked

    def _compare(
        self,
        what: str,
        found: list[Item],
        wanted: list[Item],
        said: tuple[str, ...],
        trims: bool = True,
    ) -> None:
        # A new thread takes in what the client sends; of a window that was cut a turn is left at least.
        told = merged((m["role"], m.get("content") or "") for m in self.history if m["role"] != "tool")
        least = 1 if trims and self.trims else len(told) + len(said) if self.is_split else len(wanted)
        gaps = self.is_split and self.named
        assert holds(found, wanted, least, gaps=gaps), f"{what}\nfound  {found}\nwanted {wanted}"

    async def hear(self, answer: Answer, words: str | None, played: int | None, report: bool = False) -> None:
        """Take in what was played of a reply: so many pieces, `None` for all."""
        self.thread = answer.thread or self.thread
        heard = "".join(answer.pieces[:played]).strip()
        cut = heard != answer.text
        if words is not None:
            self.truth.said(words)
            self.history.append(user(words))
        if heard:
            self.truth.heard(heard)
            told = self.as_told(heard) + (self.kind.marks_cuts if cut else "")
            self.history.append({"role": "assistant", "content": told})
        self.has_heard = bool(heard)
        self.note(f"  heard {heard!r}")
        self.is_confirmed = False
        if report or (cut and (self.kind.reports or not self.kind.keeps_history)):
            await self.phone.interrupt(self.thread, heard)
            self.is_confirmed = bool(heard)

    def as_told(self, heard: str) -> str:
        """Return a reply as text-to-speech wrote it, or as the model did."""
        return heard.replace("25 euros", "twenty-five euros") if self.dice.random() < 0.3 else heard

    def some(self, answer: Answer) -> int | None:
        """Return how many pieces of a reply are played, `None` for all."""
        return self.dice.choice([None, None, self.dice.randint(0, len(answer.pieces))])

    async def end(self, still_open: list[tuple[Answer, asyncio.Task[Answer]]]) -> None:
        """Wait for requests that were left open: a newer one has ended their turns, on the same thread."""
        for answer, sending in still_open:
            if self.is_split:
                answer.left.set()
            async with asyncio.timeout(PATIENCE):
                await sending


def user(words: str) -> Message:
    """Return words of the caller as a message."""
    return {"role": "user", "content": words}
