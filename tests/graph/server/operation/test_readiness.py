"""`/ready` reports whether turns can be stored: by a trial write, and by what failed in turns."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import httpx
import pytest
from served_app import Serve

from voicegraph.graph import Resources
from voicegraph.graph.server.operation.readiness import AFTER_A_FAILURE, EVERY, WriteProbe
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state.errors import StorageError

CHAT = "/v1/chat/completions"


@dataclass
class Served:
    chat: httpx.AsyncClient
    resources: Resources
    now: float = 100.0

    async def readiness(self) -> int:
        return (await self.chat.get("/ready")).status_code

    async def limit_checkpoints(self, pages: int) -> None:
        await cast(Any, self.resources.checkpointer).connection.execute(f"PRAGMA max_page_count={pages}")


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[Served]:
    async with serve(ScriptedChatModel(lambda _: "Hello there.")) as server, server.client() as client:
        served = Served(client, server.resources)
        server.app.state.storing = WriteProbe(server.resources, lambda: served.now)
        yield served


async def test_checkpoints_that_cannot_be_written_are_enough_to_be_not_ready(served: Served) -> None:
    assert await served.readiness() == 200
    await served.limit_checkpoints(1)
    body = {"messages": [{"role": "user", "content": "Hi " * 5_000}], "thread_id": "t"}
    assert "Hello there." in (await served.chat.post(CHAT, json=body)).text
    served.now += AFTER_A_FAILURE
    answer = await served.chat.get("/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the disk is full")


async def test_a_server_checks_every_few_seconds_whether_it_can_store(served: Served) -> None:
    assert await served.readiness() == 200
    await served.limit_checkpoints(1)
    assert await served.readiness() == 200  # It has just been tried.
    served.now += EVERY
    assert await served.readiness() == 503
    await served.limit_checkpoints(1_000_000)
    assert await served.readiness() == 503
    served.now += AFTER_A_FAILURE
    assert await served.readiness() == 200


async def test_a_failure_in_a_turn_counts_until_a_trial_succeeds(served: Served) -> None:
    assert await served.readiness() == 200
    served.resources.store.database.health.failed(StorageError("away"))
    assert await served.readiness() == 503
    served.now += AFTER_A_FAILURE
    assert await served.readiness() == 200


async def test_requests_at_the_same_time_share_a_trial(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def try_write() -> None:
        tried.append("tried")
        await asyncio.sleep(0)

    monkeypatch.setattr(served.resources.store.database, "try_write", try_write)
    assert await asyncio.gather(*(served.readiness() for _ in range(5))) == [200] * 5
    assert tried == ["tried"]
