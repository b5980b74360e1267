"""A caller who asks, interrupts, orders, and asks again when a server dies."""

import asyncio
import random
import time
from dataclasses import dataclass, field

import httpx

from .answers import Refused, words_of_answer
from .fleet import Fleet


@dataclass
class Caller:
    """One caller, what was said and heard, and what the server has told to be done."""

    number: int
    dice: random.Random
    history: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    acknowledged: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Words of turns that were answered to their end, and the answers."""
    orders: list[str] = field(default_factory=list[str])
    """Orders of which the caller was told that they are placed."""
    first_words: list[float] = field(default_factory=list[float])
    blocked: list[float] = field(default_factory=list[float])
    """Seconds from a failure to the next word, each time that a server died."""
    failed: list[str] = field(default_factory=list[str])

    @property
    def thread(self) -> str:
        return f"call-{self.number}"

    async def talk(self, client: httpx.AsyncClient, fleet: Fleet, pause: float, until: float) -> None:
        """Ask again and again, interrupt some replies, and ask a last time without."""
        await asyncio.sleep(self.dice.uniform(0, 2 * pause))
        turn = 0
        while time.monotonic() < until:
            turn += 1
            await self._turn(client, fleet, turn, stop=self.dice.random() < 0.1)
            await asyncio.sleep(self.dice.uniform(0, 2 * pause))
        await self._turn(client, fleet, turn + 1, stop=False)

    async def _turn(self, client: httpx.AsyncClient, fleet: Fleet, turn: int, *, stop: bool) -> None:
        order = f"{self.number}-{turn}" if self.dice.random() < 0.2 else ""
        words = f"Question {turn}, please." if not order else f"Please place order {order} now."
        self.history.append({"role": "user", "content": words})
        heard, ended = await self._ask(client, fleet, self.dice.randint(1, 5) if stop else None)
        if heard:
            self.history.append({"role": "assistant", "content": heard})
        if "Sorry" in heard:
            self.failed.append(heard)
        elif ended:
            self.acknowledged.append((words, heard))
            if f"Order {order} is placed." in heard:
                self.orders.append(order)

    async def _ask(self, client: httpx.AsyncClient, fleet: Fleet, stop: int | None) -> tuple[str, bool]:
        """Return what was heard and if that was all; who hears nothing asks again, somewhere else."""
        began, failed_at = time.monotonic(), None
        body = {"model": "default", "messages": self.history, "stream": True, "thread_id": self.thread}
        while True:
            heard: list[str] = []
            ended = False
            try:
                async for word in words_of_answer(client, fleet.url(self.dice), body):
                    if not heard:
                        self._note(began, failed_at)
                    heard.append(word)
                    if len(heard) == stop:
                        break
                else:
                    ended = True
            except (httpx.HTTPError, Refused) as error:
                failed_at = failed_at or time.monotonic()
                if time.monotonic() - failed_at > 20:
                    self.failed.append(f"no answer: {error!r}")
                    return "", False
            if heard or ended:
                return "".join(heard).strip(), ended
            await asyncio.sleep(0.05)

    def _note(self, began: float, failed_at: float | None) -> None:
        if failed_at is None:
            self.first_words.append(time.monotonic() - began)
        else:
            self.blocked.append(time.monotonic() - failed_at)
