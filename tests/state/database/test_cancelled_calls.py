"""A cancelled call of the database ends its transaction first: nothing stays locked or half written."""

import asyncio
import threading

import pytest
from ada import ADA
from sqlalchemy import text
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from voicegraph.state.postgres.database import PostgresDatabase
from voicegraph.state.store import Store

INSERT = text("INSERT INTO organizations (id, created_at) VALUES ('acme', '2026-01-01 00:00:00.000000')")
COUNT = text("SELECT count(*) FROM organizations")


class Held:
    """A function that waits within its transaction until it is let go."""

    def __init__(self, store: Store) -> None:
        self.is_postgres = isinstance(store.database, PostgresDatabase)
        self.running, self.go_on = asyncio.Event(), asyncio.Event()
        self._gate, self._loop = threading.Event(), asyncio.get_running_loop()

    def let_go(self) -> None:
        self.go_on.set()
        self._gate.set()

    def __call__(self, session: Session) -> None:
        session.execute(INSERT)
        self._loop.call_soon_threadsafe(self.running.set)
        if self.is_postgres:
            await_only(self.go_on.wait())
        else:
            self._gate.wait(20)


async def test_a_write_that_is_cancelled_while_it_runs_is_committed(store: Store) -> None:
    held = Held(store)
    task = asyncio.create_task(store.database.write(held))
    await held.running.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    held.let_go()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await store.database.read(lambda session: session.scalar(COUNT)) == 1


async def test_after_a_cancelled_write_the_next_one_need_not_wait(store: Store) -> None:
    held = Held(store)
    task = asyncio.create_task(store.database.write(held))
    await held.running.wait()
    task.cancel()
    held.let_go()
    await asyncio.gather(task, return_exceptions=True)
    assert (await store.agents.create(ADA, "nina")).name == "nina"


async def test_an_error_undoes_a_write_and_is_raised_as_it_is(store: Store) -> None:
    def fail(session: Session) -> None:
        session.execute(INSERT)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.database.write(fail)
    assert await store.database.read(lambda session: session.scalar(COUNT)) == 0
