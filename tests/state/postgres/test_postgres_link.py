"""The link of a process with the others: it is made anew when it breaks, as often as it breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
import pytest
from patience import PATIENCE

from voicegraph.state.database.location import parse_location
from voicegraph.state.errors import StorageError
from voicegraph.state.postgres.link import Link


class Listener:
    """Counts how often a link was made."""

    def __init__(self) -> None:
        self.made = 0

    async def link_made(self, connection: Any) -> None:
        self.made += 1

    def link_broken(self) -> None:
        pass

    def hear(self, notice: str) -> None:
        pass


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def link(postgres_url: str, listener: Listener) -> AsyncIterator[Link]:
    opened = Link(parse_location(postgres_url), listener)
    await opened.open()
    yield opened
    await opened.close()


def cut_off(url: str, which: LiteralString) -> None:
    """End sessions of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND " + which
        )


async def pid(connection: Any) -> int:
    [[found]] = await (await connection.execute("SELECT pg_backend_pid()")).fetchall()
    return found


async def test_a_question_that_fails_late_does_not_break_the_link_that_was_made_since(
    link: Link, listener: Listener, postgres_url: str
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(connection: Any) -> None:
        asked.set()
        with suppress(asyncio.CancelledError):
            await answer.wait()
        await answer.wait()
        raise psycopg.OperationalError("the connection broke meanwhile")

    question = asyncio.create_task(link.ask(slow))
    await asked.wait()
    await asyncio.to_thread(cut_off, postgres_url, "true")
    while listener.made < 2:
        await asyncio.sleep(0)
    answer.set()
    with pytest.raises(StorageError):
        await question
    assert await link.ask(pid) == link.address


async def test_a_question_ends_when_only_the_other_connection_breaks(link: Link, postgres_url: str) -> None:
    asked = asyncio.Event()

    async def endless(connection: Any) -> None:
        asked.set()
        await connection.execute("SELECT pg_sleep(3600)")

    question = asyncio.create_task(link.ask(endless))
    await asked.wait()
    await asyncio.to_thread(cut_off, postgres_url, "application_name = 'voicegraph notices'")
    await asyncio.wait({question}, timeout=PATIENCE)
    assert isinstance(question.exception(), StorageError)
    assert await link.ask(pid) == link.address
