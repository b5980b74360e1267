"""The checkpoints of one turn on PostgreSQL: whoever waits for them knows when all are written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import StorageError, ThreadLost
from voicegraph.state.open import open_checkpointer
from voicegraph.state.postgres.lease import Lease, ThreadFacts
from voicegraph.state.postgres.patience import Patience
from voicegraph.state.postgres.turn_saver import TurnSaver

CONFIG: Any = {"configurable": {"thread_id": "call-42", "checkpoint_ns": ""}}
NOTHING_YET = ThreadFacts(
    head=None,
    organization_id=None,
    user_id=None,
    agent_id=None,
    said=False,
    left=False,
    taken_at=datetime(2026, 11, 28, tzinfo=UTC),
)


@pytest.fixture
def lease() -> Lease:
    return Lease("call-42", NOTHING_YET, lambda: True)


@pytest.fixture
async def saver(postgres_url: str, lease: Lease) -> AsyncIterator[TurnSaver]:
    async with open_checkpointer(parse_location(postgres_url)) as shared:
        yield TurnSaver(shared, Patience(lease, lambda: 60.0))  # type: ignore[arg-type]


async def put(saver: TurnSaver) -> None:
    await saver.aput(CONFIG, empty_checkpoint(), {}, {})


async def test_a_write_that_failed_before_anybody_waited_is_told(saver: TurnSaver, lease: Lease) -> None:
    lease.regain(None)
    with pytest.raises(ThreadLost):
        await put(saver)
    with pytest.raises(StorageError, match="could not be written"):
        await saver.written(within=60.0)


async def test_a_checkpoint_that_fails_behind_another_is_told(saver: TurnSaver, lease: Lease) -> None:
    first = asyncio.create_task(put(saver))

    async def behind() -> None:
        with suppress(ThreadLost):
            await first
            lease.regain(None)
            await put(saver)

    second = asyncio.create_task(behind())
    with pytest.raises(StorageError, match="could not be written"):
        await saver.written(within=60.0)
    await second
