"""Threads belong to one process at a time: PostgreSQL's advisory locks, and notices between the holders."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from ..agents.thread_keys import thread_name
from ..database.location import Location
from ..errors import StorageError, ThreadLost
from .link import Connection, Link
from .wishes import PASS_ON, Wishes

_LOCK = "SELECT pg_try_advisory_lock(%s)"
_UNLOCK = "SELECT pg_advisory_unlock(%s)"
# Behind the lock as a statement of its own: it must see what the last holder wrote.
_FACTS = """
    SELECT (SELECT checkpoint_id FROM checkpoints WHERE thread_id = %(thread)s AND checkpoint_ns = ''
            ORDER BY checkpoint_id DESC LIMIT 1),
        organization_id, user_id, agent_id,
        EXISTS (SELECT FROM messages WHERE thread_id = %(thread)s),
        EXISTS (SELECT FROM turn_journal WHERE thread_id = %(thread)s),
        clock_timestamp()
    FROM (VALUES (%(thread)s)) AS given (id) LEFT JOIN threads USING (id)
"""
_LOCKS = """
    locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_OF_KEY = f"{_LOCKS} AND classid = %(high)s::bigint::oid AND objid = %(low)s::bigint::oid"
_END_HOLDER = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {_OF_KEY} AND pid <> pg_backend_pid()"
_END_PROCESS = "SELECT pg_terminate_backend(%s)"
_LOOK_AGAIN = 0.05
_HELD = f"SELECT FROM pg_locks WHERE {_OF_KEY}"
ALL_HELD = f"SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE {_LOCKS}"
"""Gives what `key_of` returns for all that any process has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadFacts:
    """What is known of a thread under its lock: its newest checkpoint and its owner, `None` for none.

    `said` is true when messages of it are stored, `left` when the journal has a turn that did not end;
    `taken_at` is when it was locked, by the server's clock.
    """

    head: str | None
    organization_id: str | None
    user_id: str | None
    agent_id: str | None
    said: bool
    left: bool
    taken_at: datetime


class Lease:
    """A thread that belongs to this process until it gives it back, or loses it; `thread_id` is its key."""

    def __init__(self, thread_id: str, facts: ThreadFacts, is_sure: Callable[[], bool]) -> None:
        """Take `thread_id`; `is_sure` tells if the server lately showed that it keeps our locks."""
        self.thread_id, self.facts, self._is_sure = thread_id, facts, is_sure
        self.head = facts.head
        """The newest checkpoint of the thread, as far as its holder knows."""
        self.taken_at, self.is_wanted = facts.taken_at, False
        """When it was taken, by the server's clock; whether other processes wait for it."""
        self._ours = {facts.head}
        self._sure = asyncio.Event()
        self._sure.set()
        self._lost: list[Callable[[], None]] = []
        self._is_lost = False

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call `call` when another process has taken the thread over."""
        self._lost.append(call)

    def writing(self, checkpoint_id: str) -> None:
        """Note that a checkpoint is about to be written."""
        self._ours.add(checkpoint_id)
        self.head = max(self.head or "", checkpoint_id)

    async def held(self, within: float) -> None:
        """Return when the thread is certainly ours, which takes a while when the server was away.

        Raises `ThreadLost` when another process has taken it over, `StorageError` when nobody knows `within`
        so many seconds.
        """
        if not (self._sure.is_set() and self._is_sure()):
            try:
                async with asyncio.timeout(within):
                    await self._until_sure()
            except TimeoutError:
                away = StorageError("the database is away: what was said cannot be stored now")
                away.retryable = True
                raise away from None
        if self._is_lost:
            raise ThreadLost(thread_name(self.thread_id))

    async def _until_sure(self) -> None:
        await self._sure.wait()
        while not self._is_sure():  # It is asked about every second.
            await asyncio.sleep(_LOOK_AGAIN)
            await self._sure.wait()

    def doubt(self) -> None:
        """Note that the lock is gone; another process may have it."""
        self._sure.clear()

    def regain(self, facts: ThreadFacts | None) -> bool:
        """Take in that it is ours again, or not (`None`); return false when somebody wrote in between."""
        self._is_lost = facts is None or facts.head not in self._ours
        self._sure.set()
        if self._is_lost:
            for call in self._lost:
                call()
        return not self._is_lost


class Leases:
    """The leases of a process. Threads are given by their keys."""

    def __init__(self, location: Location) -> None:
        self._link = Link(location, self)
        self.wishes = Wishes(self._link, key_of)
        self._hear: Callable[[str], None] = lambda _: None
        self._open: dict[int, Lease] = {}
        self._ahead = 0.0

    @property
    def address(self) -> int:
        """Where other processes can send notices to; another one after each break."""
        return self._link.address

    @property
    def is_up(self) -> bool:
        """False while the server is away."""
        return self._link.is_up

    def at(self, moment: float) -> datetime:
        """Return when `moment` of `time.monotonic()` was by the server's clock."""
        return datetime.fromtimestamp(moment + self._ahead, UTC)

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
        """Tell `hear` what other processes say from now on."""
        self._hear = hear

    async def close(self) -> None:
        """Free all."""
        await self._link.close()

    async def take(self, thread_id: str) -> Lease | None:
        """Take the thread, `None` when another process has it. Raises `StorageError`.

        Within a process nobody may have it either: that is not seen here.
        """
        return await self._link.ask(lambda connection: self._take(connection, thread_id))

    async def give_back(self, lease: Lease) -> None:
        """Free the thread for the process that waits longest; a server that is away frees it by itself."""
        self._discard(lease)
        if not self._link.is_up:
            return  # The lock is gone, or goes in `link_made`.
        key = key_of(lease.thread_id)

        async def free(connection: Connection) -> None:
            async with connection.pipeline():
                await connection.execute(_UNLOCK, (key,))
                if lease.is_wanted:
                    await connection.execute(PASS_ON, (key,))

        with suppress(StorageError):
            await self._link.ask(free)

    async def end_holder(self, thread_id: str, process: int | None = None) -> None:
        """End the session of a process that has the thread and stands still: what it has locked is free then.

        `process` is the server process of that session, if it is known.

        Should it go on, it finds its session ended before it writes. Raises `StorageError`.
        """

        async def end(connection: Connection) -> None:
            if process is None:
                await connection.execute(_END_HOLDER, _halves(thread_id))
            else:
                await connection.execute(_END_PROCESS, (process,))

        await self._link.ask(end)

    async def is_held(self, thread_id: str) -> bool:
        """Tell if any process has the thread. Raises `StorageError`."""

        async def look(connection: Connection) -> bool:
            return (await connection.execute(_HELD, _halves(thread_id))).rowcount > 0

        return await self._link.ask(look)

    async def held(self, thread_ids: Iterable[str]) -> set[str]:
        """Return those of the threads that any process has, in one query. Raises `StorageError`."""

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
        """Free it."""
        if self._link.is_up:
            with suppress(StorageError):
                await self._link.ask(lambda connection: connection.execute(_UNLOCK, (key_of(name, what),)))

    async def link_made(self, connection: Connection) -> None:
        """Take all threads again that were ours when the link broke, and free those given back meanwhile."""
        taken: set[Lease] = set()
        for lease in list(self._open.values()):
            facts = await _locked(connection, lease.thread_id)
            if facts is not None:
                taken.add(lease)
            if self._has(lease) and not lease.regain(facts):
                self._discard(lease)
        # A turn goes on as soon as its thread is ours again, and may give that back before all others are.
        while given_back := taken - set(self._open.values()):
            taken -= given_back
            for lease in given_back:
                await connection.execute(_UNLOCK, (key_of(lease.thread_id),))

    def link_broken(self) -> None:
        """Be sure of no thread any more."""
        for lease in self._open.values():
            lease.doubt()

    def hear(self, notice: str) -> None:
        """Pass on what another process says."""
        self._hear(notice)

    async def _take(self, connection: Connection, thread_id: str) -> Lease | None:
        facts = await _locked(connection, thread_id)
        if facts is None:
            return None
        self._ahead = facts.taken_at.timestamp() - time.monotonic()
        lease = self._open[key_of(thread_id)] = Lease(thread_id, facts, lambda: self._link.is_sure)
        return lease

    def _has(self, lease: Lease) -> bool:
        return self._open.get(key_of(lease.thread_id)) is lease

    def _discard(self, lease: Lease) -> None:
        if self._has(lease):
            del self._open[key_of(lease.thread_id)]


@asynccontextmanager
async def open_leases(location: Location) -> AsyncGenerator[Leases]:
    """Give the leases of a PostgreSQL database, open during the body. Raises `StorageError`."""
    leases = Leases(location)
    try:
        await leases.open()
        yield leases
    finally:
        await leases.close()


async def _locked(connection: Connection, thread_id: str) -> ThreadFacts | None:
    """Lock the thread and read what must be known of it, in one round trip; `None` when it is locked."""
    async with connection.pipeline():
        locking = await connection.execute(_LOCK, (key_of(thread_id),))
        reading = await connection.execute(_FACTS, {"thread": thread_id})
    [[locked]] = await locking.fetchall()
    [[head, organization, user, agent, said, left, taken_at]] = await reading.fetchall()
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
    )


def key_of(thread_id: str, what: str = "thread") -> int:
    """Return the number that PostgreSQL locks for a thread, or for another thing of this name."""
    digest = hashlib.blake2b(f"{what}\0{thread_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _halves(thread_id: str) -> dict[str, int]:
    key = key_of(thread_id) & 0xFFFF_FFFF_FFFF_FFFF
    return {"high": key >> 32, "low": key & 0xFFFF_FFFF}
