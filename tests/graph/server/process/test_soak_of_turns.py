"""Restless callers while servers and their database are killed: no words are lost, nothing is done twice."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from patience import PATIENCE
from postgres_server import PostgresServer
from soaking.fleet import Fleet
from soaking.model_process import ModelProcess
from soaking.restless import APOLOGY, RestlessCaller, Turn

from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.conversations.messages import StoredMessage

CALLERS = 24
KILLED_EVERY = 4.0
"""Seconds."""
DATABASE_AWAY = 0.5
"""Seconds."""
PREAMBLE = "I see to it."
AT_ONCE = 1.5
"""Seconds in which a process may die after a reply, so that the last words of that are not stored."""


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """The PostgreSQL of the servers; `None` when they have SQLite."""
    return request.getfixturevalue("own_server") if request.param == "postgres" else None


class Kills:
    """Kills servers, and their PostgreSQL where there is one, and knows when it did."""

    def __init__(self, fleet: Fleet, server: PostgresServer | None) -> None:
        self._fleet, self._server, self._dice = fleet, server, random.Random(11)
        self.spans: list[tuple[float, float]] = []
        """When something was away, from and to, by `time.monotonic()`."""
        self.outages: list[tuple[float, float]] = []
        """From when to when the database was."""

    async def go_on(self, over: asyncio.Event) -> None:
        """Kill one thing after another, and bring it back, until it is `over`."""
        while not over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), KILLED_EVERY)
            began = time.monotonic()
            if self._server is not None and self._dice.random() < 0.25:
                await asyncio.to_thread(self._server.kill)
                await asyncio.sleep(DATABASE_AWAY)
                await asyncio.to_thread(self._server.start)
                self.outages.append((began, time.monotonic()))
            else:
                await self._fleet.kill_one(self._dice)
            self.spans.append((began, time.monotonic()))


async def talk(fleet: Fleet, people: Sequence[RestlessCaller], turns: int) -> None:
    """Let the callers take `turns` turns between them."""
    left = itertools.count()

    async def one(caller: RestlessCaller, client: httpx.AsyncClient) -> None:
        while next(left) < turns:
            await asyncio.sleep(caller.dice.uniform(0, 0.4))
            await caller.turn(client, fleet)

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(limits=limits, timeout=PATIENCE) as client:
        await asyncio.gather(*(one(caller, client) for caller in people))


async def say_goodbye(fleet: Fleet, people: Sequence[RestlessCaller]) -> None:
    """Say a last thing each, while nothing is killed, and wait until all is stored."""
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        await asyncio.gather(*(caller.turn(client, fleet, way="listen") for caller in people))
        await fleet.quiet(client)


def near(turn: Turn, spans: Sequence[tuple[float, float]], after: float) -> bool:
    """Return whether something was away during the turn or up to `after` seconds later."""
    return any(began <= turn.ended + after and turn.began <= ended for began, ended in spans)


def replies(record: Sequence[StoredMessage]) -> dict[str, str]:
    """Return what was said after each of the caller's words."""
    said: dict[str, list[str]] = {}
    words = ""
    for message in record:
        if message.role == "user":
            words = message.text
            said[words] = []
        elif message.role == "assistant" and words:
            said[words].append(message.heard)
    return {words: " ".join(" ".join(texts).split()) for words, texts in said.items()}


def violations(caller: RestlessCaller, record: Sequence[StoredMessage], kills: Kills) -> list[str]:
    """Return what the record of a caller's thread lacks, or has twice."""
    wrong: list[str] = []
    words = Counter(message.text for message in record if message.role == "user")
    said = replies(record)
    for turn in caller.turns:
        if words[turn.words] > 1:
            found = [message for message in record if message.text == turn.words]
            wrong.append(f"{len(found)} times: {turn}: {found}")
        if near(turn, kills.outages, AT_ONCE):
            continue
        if APOLOGY in turn.heard or not turn.heard:
            wrong.append(f"no answer: {turn}")
        elif not words[turn.words]:
            wrong.append(f"no words: {turn}")
        elif not caller.tells_all and near(turn, kills.spans, AT_ONCE):
            continue
        elif not said[turn.words].startswith(whole_words(turn.heard)):
            wrong.append(f"not recorded: {turn}, but {said[turn.words]!r}")
    return wrong


def whole_words(heard: str) -> str:
    """Return what was heard without half a word: the preamble is spoken as its letters come."""
    words = heard.split()
    if PREAMBLE.startswith(heard) and words and words[-1] not in PREAMBLE.split():
        words.pop()
    return " ".join(words)


async def found(url: str, people: Sequence[RestlessCaller], kills: Kills) -> list[str]:
    """Return all violations, and threads that were left in the middle of a turn."""
    wrong: list[str] = []
    async with open_resources(url, model=ScriptedChatModel([])) as resources:
        graph = build_graph(resources)
        for caller in people:
            state = await graph.aget_state({"configurable": {"thread_id": caller.thread}})
            if state.next:
                wrong.append(f"{caller.thread} is in the middle of a turn")
            record = await resources.store.messages.history(Actor(), caller.thread, withdrawn=False)
            wrong += violations(caller, record, kills)
    return wrong


@pytest.mark.soak
async def test_two_thousand_restless_turns_lose_and_double_nothing(
    soak_model: ModelProcess, tmp_path: Path, server: PostgresServer | None, turns: int = 2000
) -> None:
    url = server.url() if server else f"sqlite:///{tmp_path}/voice.db"
    orders = tmp_path / "orders"
    orders.touch()
    fleet = Fleet(tmp_path, url, soak_model.url, orders)
    people = [RestlessCaller(number, random.Random(number), number % 2 == 0) for number in range(CALLERS)]
    kills = Kills(fleet, server)
    try:
        await fleet.start(2 if server else 1)
        over = asyncio.Event()
        killing = asyncio.create_task(kills.go_on(over))
        await talk(fleet, people, turns)
        over.set()
        await killing
        await say_goodbye(fleet, people)
    finally:
        await asyncio.to_thread(fleet.close)
    placed = Counter(orders.read_text().split())
    doubled = [order for order, times in placed.items() if times > 1]
    heard = [turn.order for caller in people for turn in caller.turns if "is placed." in turn.heard]
    wrong = await found(url, people, kills)
    print(f"\n{sum(len(caller.turns) for caller in people)} turns, {len(kills.spans)} kills,")
    print(*wrong, sep="\n")
    print(f"of these {len(kills.outages)} of the database, {sum(placed.values())} orders")
    assert (doubled, [order for order in heard if not placed[order]], wrong) == ([], [], [])
    assert await asyncio.to_thread(soak_model.end) == []
