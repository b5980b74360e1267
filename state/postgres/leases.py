"""A thread belongs to one process at a time, by PostgreSQL's advisory locks."""

import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import psycopg

from ..database.location import Location
from ..errors import StorageError
from .lease import Lease, ThreadFacts
from .link import Connection, Link
from .wishes import HOLDER, LOCKS, PASS_ON, Wishes

_LOCK = "SELECT pg_try_advisory_lock(%s)"
_UNLOCK = "SELECT pg_advisory_unlock(%s)"
# A separate statement after the lock: it must see what the last holder wrote.
_FACTS = """
    SELECT (SELECT id FROM thread_checkpoints WHERE thread_id = %(thread)s AND space = ''
            ORDER BY id DESC LIMIT 1),
        organization_id, user_id, agent_id,
        EXISTS (SELECT FROM messages WHERE thread_id = %(thread)s),
        EXISTS (SELECT FROM turn_journal WHERE thread_id = %(thread)s),
        clock_timestamp(),
        EXISTS (
            SELECT FROM thread_wishes WHERE thread = %(key)s AND kind <> 'interrupt'
            AND looked_at > clock_timestamp() - interval '1 second'
        )
    FROM (VALUES (%(thread)s)) AS given (id) LEFT JOIN threads USING (id)
"""
_OF_KEY = f"FROM pg_locks, (VALUES (%s::bigint)) AS given (thread) WHERE {HOLDER}"
_END_HOLDER = f"SELECT pg_terminate_backend(pid) {_OF_KEY} AND pid <> pg_backend_pid()"
_END_PROCESS = "SELECT pg_terminate_backend(%s)"
_HELD = f"SELECT {_OF_KEY}"
ALL_HELD = f"SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE {LOCKS}"
"""Returns the number, as of `key_of`, of each lock that any process holds."""


class Leases:
    """The leases of a process. Threads are given by their keys."""

    def __init__(self, location: Location) -> None:
        self._link = Link(location, self)
        self.wishes = Wishes(self._link, key_of)
        self._hear: Callable[[str], None] = lambda _: None
        self._open: dict[int, Lease] = {}

    @property
    def address(self) -> int:
        """The server process that holds the locks; it changes when the connection is restored."""
        return self._link.address

    @property
    def is_up(self) -> bool:
        """False while the server is unreachable."""
        return self._link.is_up

    def at(self, moment: float) -> datetime:
        """Return when `moment` of `time.monotonic()` was by the server's clock."""
        return self._link.at(moment)

    def of_thread(self, thread_id: str) -> Lease | None:
        """Return the lease of a thread that this process has."""
        return self._open.get(key_of(thread_id))

    def of_key(self, key: int) -> Lease | None:
        """Return the lease of the thread whose lock has this number."""
        return self._open.get(key)

    async def open(self) -> None:
        """Connect. Raises `StorageError`."""
        await self._link.open()
        await self.wishes.open()

    def listen(self, hear: Callable[[str], None]) -> None:
        """Call `hear` with each notice of another process from now on."""
        self._hear = hear

    async def close(self) -> None:
        """Disconnect, which frees all threads."""
        await self._link.close()

    async def take(self, thread_id: str) -> Lease | None:
        """Take the thread; `None` if another process has it. Raises `StorageError`.

        The caller must know that no other turn of this process has it: PostgreSQL would allow that.
        """
        return await self._link.ask(lambda connection: self._take(connection, thread_id))

    async def give_back(self, lease: Lease) -> None:
        """Free the thread, and notify the process that waits longest for it."""
        self._discard(lease)
        if not self._link.is_up:
            return  # The lock is gone, or is freed in `link_made`.
        key = key_of(lease.thread_id)

        async def free(connection: Connection) -> None:
            async with connection.pipeline():
                await connection.execute(_UNLOCK, (key,))
                if lease.is_wanted:
                    await connection.execute(PASS_ON, (key,))

        with suppress(StorageError):
            await self._link.ask(free)

    async def end_holder(self, thread_id: str, process: int | None = None) -> None:
        """Terminate the session of a frozen process that has the thread, which frees its locks.

        `process` is the server process of that session if it is known. A process that wakes up later finds
        its session ended before it writes. Raises `StorageError`.
        """

        async def end(connection: Connection) -> None:
            if process is None:
                await connection.execute(_END_HOLDER, (key_of(thread_id),))
            else:
                await connection.execute(_END_PROCESS, (process,))

        await self._link.ask(end)

    async def is_held(self, thread_id: str) -> bool:
        """Return whether any process has the thread. Raises `StorageError`."""

        async def look(connection: Connection) -> bool:
            return (await connection.execute(_HELD, (key_of(thread_id),))).rowcount > 0

        return await self._link.ask(look)

    async def held(self, thread_ids: Iterable[str]) -> set[str]:
        """Return the threads among these that any process has, by one query. Raises `StorageError`."""

        async def look(connection: Connection) -> set[int]:
            return {key for (key,) in await (await connection.execute(ALL_HELD)).fetchall()}

        keys = await self._link.ask(look)
        return {thread_id for thread_id in thread_ids if key_of(thread_id) in keys}

    async def lock(self, what: str, name: str) -> bool:
        """Lock something else of this name, unless another process has; it is free when the link breaks.

        Within a process it can be locked again. Raises `StorageError`.
        """

        async def lock(connection: Connection) -> bool:
            [[locked]] = await (await connection.execute(_LOCK, (key_of(name, what),))).fetchall()
            return locked

        return await self._link.ask(lock)

    async def unlock(self, what: str, name: str) -> None:
        """Free the `what` of this name."""
        if self._link.is_up:
            with suppress(StorageError):
                await self._link.ask(lambda connection: connection.execute(_UNLOCK, (key_of(name, what),)))

    async def link_made(self, connection: Connection) -> None:
        """Take again all threads that this process had when the link broke, except those given back since."""
        taken: set[Lease] = set()
        for lease in list(self._open.values()):
            facts = await _locked(connection, lease.thread_id)
            if facts is not None:
                taken.add(lease)
            if self._has(lease) and not lease.regain(facts):
                self._discard(lease)
        # A turn goes on once its thread is taken again, and may give it back before all others are taken.
        while given_back := taken - set(self._open.values()):
            taken -= given_back
            for lease in given_back:
                await connection.execute(_UNLOCK, (key_of(lease.thread_id),))

    def link_broken(self) -> None:
        """Doubt all leases until the link is made again."""
        for lease in self._open.values():
            lease.doubt()

    def hear(self, notice: str) -> None:
        """Pass on a notice of another process."""
        self._hear(notice)

    async def _take(self, connection: Connection, thread_id: str) -> Lease | None:
        facts = await _locked(connection, thread_id)
        if facts is None:
            return None
        lease = self._open[key_of(thread_id)] = Lease(thread_id, facts, lambda: self._link.is_sure)
        return lease

    def _has(self, lease: Lease) -> bool:
        return self._open.get(key_of(lease.thread_id)) is lease

    def _discard(self, lease: Lease) -> None:
        if self._has(lease):
            del self._open[key_of(lease.thread_id)]


@asynccontextmanager
async def open_leases(location: Location) -> AsyncGenerator[Leases]:
    """Connect to a PostgreSQL database for its leases during the body. Raises `StorageError`."""
    leases = Leases(location)
    try:
        await leases.open()
        yield leases
    finally:
        await leases.close()


async def _locked(connection: Connection, thread_id: str) -> ThreadFacts | None:
    """Lock the thread and read its facts in one round trip; `None` if another process has locked it."""
    key = key_of(thread_id)
    try:
        async with connection.pipeline():
            locking = await connection.execute(_LOCK, (key,))
            reading = await connection.execute(_FACTS, {"thread": thread_id, "key": key})
    except psycopg.Error:
        if not connection.closed:  # The lock may have been taken, and would outlive the error.
            await connection.execute(_UNLOCK, (key,))
        raise
    [[locked]] = await locking.fetchall()
    [[head, organization, user, agent, said, left, taken_at, waited_for]] = await reading.fetchall()
    if not locked:
        return None
    return ThreadFacts(
        head=head,
        organization_id=organization,
        user_id=user,
        agent_id=agent,
        said=said,
        left=left,
        taken_at=taken_at,
        is_waited_for=waited_for,
    )


def key_of(thread_id: str, what: str = "thread") -> int:
    """Return the number by which PostgreSQL locks a thread, or the `what` of this name."""
    digest = hashlib.blake2b(f"{what}\0{thread_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
