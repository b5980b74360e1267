"""How long a search takes among a million messages, and storing a turn while the index is being written.

Each prints its figures; what is asserted are counts, never times. VOICEGRAPH_BENCH_MESSAGES makes it smaller.
"""

import asyncio
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from voicegraph.state import Actor, Store, open_store
from voicegraph.state.agents.thread_keys import thread_key
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.sqlite.search.index_file import index_path

ADA = Actor("acme", "ada")
AGENTS = 100
MESSAGES = int(os.environ.get("VOICEGRAPH_BENCH_MESSAGES", "1000000"))
AN_AGENT = MESSAGES // AGENTS
THREADS = 20
QUERIES = 1000
TURNS = 500
BACKLOG = 0.2
"""The share of messages that is due, so that the index is being written all the time."""
WHEN = "2026-01-02 03:04:05.000000"

_random = random.Random(7)
_WORDS = [
    "".join(_random.choices(("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru"), k=2 + (rank > 99)))
    + "aeiou"[rank % 5] * (rank > 900)
    for rank in range(30_000)
]
# As in language: the second word half as often as the first, the thousandth a thousandth as often.
_FREQUENCY = list(accumulate(1 / (rank + 2.7) for rank in range(len(_WORDS))))


def sentence(least: int, most: int) -> str:
    return " ".join(_random.choices(_WORDS, cum_weights=_FREQUENCY, k=_random.randint(least, most)))


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share) - 1] * 1000


@pytest.fixture
async def store(tmp_path: Path, empty_database: Path, database_url: str) -> Any:
    opened = await open_store(database_url)
    agents = [await opened.agents.create(ADA, f"agent {place}") for place in range(AGENTS)]
    await opened.recall.index_due()
    began = time.perf_counter()
    await asyncio.to_thread(fill, tmp_path / "voice.db", [(agent.number, agent.id) for agent in agents])
    print(f"\n{MESSAGES} messages of {AGENTS} agents made in {time.perf_counter() - began:.0f} s")
    yield opened
    await opened.close()


def fill(database: Path, agents: list[tuple[int, str]]) -> None:
    """Write all messages and their entries as the product would, without its transactions."""
    pool = [sentence(5, 30) for _ in range(50_000)]
    with closing(sqlite3.connect(database)) as main, closing(sqlite3.connect(index_path(database))) as index:
        for number, agent_id in agents:
            texts = _random.choices(pool, k=AN_AGENT)
            main.executemany(
                "INSERT INTO threads (id, organization_id, user_id, agent_id, created_at, updated_at) "
                "VALUES (?, 'acme', 'ada', ?, ?, ?)",
                ((thread_key(ADA, f"{number}-{thread}"), agent_id, WHEN, WHEN) for thread in range(THREADS)),
            )
            main.executemany(
                "INSERT INTO messages (number, id, thread_id, agent_id, turn_id, role, text, created_at, "
                "indexed_at) VALUES (?, ?, ?, ?, 't', ?, ?, ?, ?)",
                rows(number, agent_id, texts),
            )
            main.commit()
            entries = (
                (
                    (number << 32) + place + 1,
                    text,
                    "\n".join(texts[max(0, place - 2) : place] + texts[place + 1 : place + 3]),
                )
                for place, text in enumerate(texts)
            )
            index.executemany("INSERT INTO recall (rowid, text, context) VALUES (?, ?, ?)", entries)
            index.commit()


def rows(number: int, agent_id: str, texts: list[str]) -> Iterator[tuple[Any, ...]]:
    for place, text in enumerate(texts):
        role = "assistant" if place % 2 else "user"
        thread = thread_key(ADA, f"{number}-{place * THREADS // len(texts)}")
        indexed = WHEN if place < len(texts) * (1 - BACKLOG) else None
        yield (number << 32) + place + 1, f"old-{place}", thread, agent_id, role, text, WHEN, indexed


async def test_recall_and_storing_at_a_million_messages(store: Store) -> None:
    agents = await store.agents.list(ADA)
    alone = await queries(store, agents)
    stored_alone = await turns(store, agents, "alone")
    writing = asyncio.create_task(store.recall.index_due())
    stored = await turns(store, agents, "together")
    beside = await queries(store, agents)
    assert not writing.done()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    for what, times in (
        ("a query", alone),
        ("a query while the index is written", beside),
        ("storing a turn", stored_alone),
        ("storing a turn while the index is written", stored),
    ):
        print(
            f"{what}: median {percentile(times, 0.5):.1f} ms, p95 {percentile(times, 0.95):.1f} ms, "
            f"worst {max(times) * 1000:.1f} ms"
        )
    assert (len(alone), len(beside), len(stored)) == (QUERIES, QUERIES, TURNS)


async def queries(store: Store, agents: Any) -> list[float]:
    times: list[float] = []
    hits = 0
    for _ in range(QUERIES):
        agent, query = _random.choice(agents), sentence(3, 8)
        began = time.perf_counter()
        page = await store.recall.search(ADA, agent.id, query)
        times.append(time.perf_counter() - began)
        hits += len(page.hits)
    assert hits > QUERIES
    return times


async def turns(store: Store, agents: Any, name: str) -> list[float]:
    times: list[float] = []
    for number in range(TURNS):
        agent = _random.choice(agents)
        records = [
            MessageRecord(id=f"{name}-{number}-{role}", turn_id=name, role=role, text=sentence(5, 30))
            for role in ("user", "assistant")
        ]
        await asyncio.sleep(0.01)
        began = time.perf_counter()
        await store.messages.save(ADA, agent.id, f"{agent.number}-{number % THREADS}", records)
        times.append(time.perf_counter() - began)
    return times
