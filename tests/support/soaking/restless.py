"""A caller who does what real ones and their clients do: interrupts, hangs up, sends requests again."""

import asyncio
import random
import time
from dataclasses import dataclass, field

import httpx

from .answers import Refused, words_of_answer
from .fleet import Fleet

APOLOGY = "Sorry"
WAYS = {"listen": 60, "barge in": 12, "interrupt": 10, "hang up": 8, "send again": 10}
"""What a caller does with a reply, and how often."""
_LONGEST = 60.0
"""Seconds without a word after which a caller gives up."""


@dataclass(kw_only=True)
class Turn:
    """One turn as the caller saw it; times are those of `time.monotonic()`."""

    words: str
    way: str
    order: str
    began: float
    ended: float = 0.0
    heard: str = ""
    whole: bool = False
    tries: int = 0


@dataclass
class RestlessCaller:
    """One caller, who tells the whole conversation with each request, or else the newest words alone."""

    number: int
    dice: random.Random
    tells_all: bool
    turns: list[Turn] = field(default_factory=list[Turn])
    history: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    @property
    def thread(self) -> str:
        return f"call-{self.number}"

    async def turn(self, client: httpx.AsyncClient, fleet: Fleet, *, way: str | None = None) -> None:
        """Say something, and hear the reply in one of the ways."""
        number = len(self.turns) + 1
        order = f"{self.number}-{number}" if self.dice.random() < 0.2 else ""
        words = f"Please place order {order} now." if order else f"Question {number}, please."
        way = way or self.dice.choices(list(WAYS), list(WAYS.values()))[0]
        if way == "send again" and not self.tells_all:
            way = "listen"  # Newest words that come again after a whole reply were said again.
        turn = Turn(words=words, way=way, order=order, began=time.monotonic())
        self.turns.append(turn)
        self.history.append({"role": "user", "content": words})
        cut = None if way == "listen" else self.dice.randint(1, 5)
        await self._hear(client, fleet, turn, cut)
        if way == "send again":
            turn.heard, turn.whole = "", False
            await self._hear(client, fleet, turn, None)
        turn.ended = time.monotonic()
        if turn.heard:
            self.history.append({"role": "assistant", "content": turn.heard})

    async def _hear(self, client: httpx.AsyncClient, fleet: Fleet, turn: Turn, cut: int | None) -> None:
        """Hear the reply up to its word `cut`; a caller who hears nothing asks again, anywhere."""
        until = time.monotonic() + _LONGEST
        messages = self.history if self.tells_all else self.history[-1:]
        body = {"model": "default", "messages": messages, "stream": True, "thread_id": self.thread}
        while not turn.heard and not turn.whole and time.monotonic() < until:
            turn.tries += 1
            url = fleet.url(self.dice)
            try:
                said = ""
                async for word in words_of_answer(client, url, body):
                    said += word
                    turn.heard = said.strip()
                    if len(turn.heard.split()) == cut:
                        if turn.way == "interrupt":
                            await self._interrupt(client, url, turn)
                        return
                turn.whole = True
            except (httpx.HTTPError, Refused):
                await asyncio.sleep(0.05)

    async def _interrupt(self, client: httpx.AsyncClient, url: str, turn: Turn) -> None:
        await client.post(f"{url}/v1/threads/{self.thread}/interrupt", json={"heard": turn.heard})
