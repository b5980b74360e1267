"""The link of a process with the others: it is made anew when it breaks, as often as it breaks."""

import asyncio
from typing import Any

import psycopg
import pytest

from voicegraph.state.errors import StorageError
from voicegraph.state.location import parse_location
from voicegraph.state.postgres_link import Link


class Listener:
    """Counts how often a link was made."""

    def __init__(self) -> None:
        self.made = 0

    async def link_made(self, connection: Any) -> None:
        self.made += 1

    def link_broken(self) -> None:
        pass

    def hear(self, notice: dict[str, Any]) -> None:
        pass


def cut_off_all(url: str) -> None:
    """End all sessions of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def pid(connection: Any) -> int:
    [[found]] = await (await connection.execute("SELECT pg_backend_pid()")).fetchall()
    return found


async def test_a_question_that_fails_late_does_not_break_the_link_that_was_made_since(
    postgres_url: str,
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(connection: Any) -> None:
        asked.set()
        await answer.wait()
        raise psycopg.OperationalError("the connection broke meanwhile")

    listener = Listener()
    link = Link(parse_location(postgres_url), listener)
    await link.open()
    question = asyncio.create_task(link.ask(slow))
    await asked.wait()
    await asyncio.to_thread(cut_off_all, postgres_url)
    while listener.made < 2:
        await asyncio.sleep(0)
    answer.set()
    with pytest.raises(StorageError):
        await question
    assert await link.ask(pid) == link.address
    await link.close()
