"""Threads that belong to one process at a time, when its link to the database breaks."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from voicegraph.state.database.location import parse_location
from voicegraph.state.postgres.lease import Lease
from voicegraph.state.postgres.leases import Leases, open_leases

THREADS = [f"call-{number}" for number in range(8)]


@pytest.fixture
async def leases(postgres_url: str) -> AsyncIterator[Leases]:
    async with open_leases(parse_location(postgres_url)) as opened:
        yield opened


async def taken(leases: Leases, thread_id: str) -> Lease:
    lease = await leases.take(thread_id)
    assert lease is not None
    return lease


def cut_off_all(url: str) -> None:
    """End all sessions of the database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def broken(leases: Leases) -> None:
    """Return when the link breaks, before it is made again."""
    while leases.is_up:
        await asyncio.sleep(0)


async def still_held(leases: Leases) -> list[str]:
    return [thread_id for thread_id in THREADS if await leases.is_held(thread_id)]


async def test_one_look_finds_all_threads_that_are_held(leases: Leases) -> None:
    for thread_id in THREADS[1:]:
        await taken(leases, thread_id)
    assert await leases.held(THREADS) == set(THREADS[1:])


async def test_threads_are_taken_again_when_the_link_is_back(leases: Leases, postgres_url: str) -> None:
    for thread_id in THREADS:
        await taken(leases, thread_id)
    breaking = asyncio.create_task(broken(leases))
    await asyncio.to_thread(cut_off_all, postgres_url)
    await breaking
    assert await still_held(leases) == THREADS


async def test_threads_that_are_given_back_while_the_link_is_made_are_free(
    leases: Leases, postgres_url: str
) -> None:
    async def end_of_a_turn(lease: Lease) -> None:
        await broken(leases)
        await lease.held(within=60.0)
        await leases.give_back(lease)

    held = [await taken(leases, thread_id) for thread_id in THREADS]
    ending = [asyncio.create_task(end_of_a_turn(lease)) for lease in held]
    await asyncio.to_thread(cut_off_all, postgres_url)
    await asyncio.gather(*ending)
    assert await still_held(leases) == []


async def test_threads_that_are_given_back_before_they_are_taken_again_are_free(
    leases: Leases, postgres_url: str
) -> None:
    async def end_of_all(first: Lease) -> None:
        await broken(leases)
        await first.held(within=60.0)
        while held:
            await leases.give_back(held.pop())

    held = [await taken(leases, thread_id) for thread_id in THREADS]
    ending = [asyncio.create_task(end_of_all(lease)) for lease in held]
    await asyncio.to_thread(cut_off_all, postgres_url)
    await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
    for task in ending:
        task.cancel()
    assert await still_held(leases) == []
