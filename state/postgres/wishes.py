"""What processes ask of the one that has a thread: rows of a table, of which notices are mere hints.

Order, size and loss are the database's: a wish is there until it is withdrawn, notices may be lost.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from .link import Connection, Link

Kind = Literal["newest", "enqueue", "reject", "interrupt"]
"""A turn, by what it does to the running one, or an interrupt of that."""
Answer = Literal["busy", "late", "nothing", "ended", "cut"]
"""To a turn: another one runs, or a newer one was asked for. To an interrupt: no turn ran, it has ended, or
its reply was cut too."""

_KEY = 829_340_713
# A sequence of its own: that of an unlogged table would begin again after a crash of the server.
_NUMBER = "CREATE SEQUENCE IF NOT EXISTS thread_wish_numbers"
# Unlogged: the rows mean something to running processes alone. `thread` is the number of the thread's lock.
_MAKE = """
    CREATE UNLOGGED TABLE IF NOT EXISTS thread_wishes (
        id bigint PRIMARY KEY DEFAULT nextval('thread_wish_numbers'),
        thread bigint NOT NULL,
        asker integer NOT NULL,
        kind text NOT NULL,
        heard text,
        asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        looked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        received_at timestamptz,
        receiver integer,
        answer text
    )
"""
_CLEAN = "DELETE FROM thread_wishes WHERE looked_at < clock_timestamp() - interval '1 minute'"
LOCKS = """
    locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Condition on `pg_locks`: it is a lock of this kind in this database."""
HOLDER = f"""
    {LOCKS} AND classid = (thread >> 32 & 4294967295)::oid AND objid = (thread & 4294967295)::oid
"""
"""Condition on `pg_locks`: it is the lock with the number `thread`."""
_NOTICE = "pg_notify('voicegraph_' || pid, 'wish ' || id)"
_PUT = f"""
    WITH made AS (
        INSERT INTO thread_wishes (thread, asker, kind, heard, asked_at)
        VALUES (
            %(thread)s, %(asker)s, %(kind)s, %(heard)s,
            coalesce(%(asked_at)s::timestamptz, clock_timestamp())
        ) RETURNING id, thread
    )
    SELECT id, (SELECT count({_NOTICE}) FROM pg_locks WHERE {HOLDER}) FROM made
"""
# A receiver that has no lock any more still has to answer an interrupt.
_LOOK = f"""
    WITH mine AS (
        UPDATE thread_wishes SET looked_at = clock_timestamp(), asker = %(asker)s WHERE id = %(id)s
        RETURNING *
    ),
    receivers AS (
        SELECT pid FROM mine, pg_locks WHERE {HOLDER} AND (kind <> 'interrupt' OR receiver IS NULL)
        UNION SELECT pid FROM mine JOIN pg_stat_activity ON pid = receiver WHERE kind = 'interrupt'
    )
    SELECT answer, received_at, (SELECT count({_NOTICE}) FROM receivers),
        NOT EXISTS (
            SELECT FROM thread_wishes AS other
            WHERE other.thread = mine.thread AND other.kind <> 'interrupt' AND other.id < mine.id
            AND other.looked_at > clock_timestamp() - interval '1 second'
        ),
        EXISTS (
            SELECT FROM thread_wishes AS other
            WHERE other.thread = mine.thread AND other.kind = 'newest'
            AND (other.asked_at, other.id) > (mine.asked_at, mine.id)
            AND other.looked_at > clock_timestamp() - interval '5 seconds'
        ),
        receiver
    FROM mine
"""
_RECEIVE = """
    UPDATE thread_wishes SET received_at = clock_timestamp(), receiver = %(receiver)s
    WHERE id = %(id)s
    AND (kind <> 'interrupt' OR answer IS NULL AND (receiver IS NULL OR receiver = %(receiver)s))
    RETURNING thread, kind, heard, asked_at
"""
_ANSWER = """
    WITH answered AS (UPDATE thread_wishes SET answer = %(answer)s WHERE id = %(id)s RETURNING id, asker)
    SELECT pg_notify('voicegraph_' || asker, 'answer ' || id) FROM answered
"""
PASS_ON = """
    SELECT pg_notify('voicegraph_' || asker, 'answer ' || id) FROM thread_wishes
    WHERE thread = %s AND kind <> 'interrupt' ORDER BY id LIMIT 1
"""
"""Hints to the process that waits longest for a thread that it is free."""
_WITHDRAW = "DELETE FROM thread_wishes WHERE id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A wish as its receiver sees it; `thread` is the number of the thread's lock."""

    id: int
    thread: int
    kind: Kind
    heard: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What has become of a wish."""

    answer: Answer | None
    received_at: datetime | None
    """When the thread's holder last saw the wish."""
    is_received: bool
    """True if a process was there that could see it now."""
    is_next: bool
    """True if no other process waits longer for the thread."""
    is_superseded: bool
    """True if a newer turn waits that stops older ones."""
    receiver: int | None
    """The server process of the one that has seen it."""


class Wishes:
    """The wishes of this process, and those that it sees. `key_of` gives the number of a thread's lock."""

    def __init__(self, link: Link, key_of: Callable[[str], int]) -> None:
        self._link, self._key_of = link, key_of

    async def open(self) -> None:
        """Make the table if it is missing. Raises `StorageError`."""

        async def make(connection: Connection) -> None:
            [[there]] = await (await connection.execute("SELECT to_regclass('thread_wishes')")).fetchall()
            if there is None:
                async with connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_KEY,))
                    await connection.execute(_NUMBER)
                    await connection.execute(_MAKE)

        await self._link.ask(make)

    async def put(
        self, thread_id: str, kind: Kind, heard: str | None = None, *, asked_at: datetime | None = None
    ) -> tuple[int, bool]:
        """Write a wish; return its id, and whether a process has the thread. Raises `StorageError`.

        `asked_at` is the time of the request by the server's clock, now if `None`.
        """
        given = {
            "thread": self._key_of(thread_id),
            "asker": self._link.address,
            "kind": kind,
            "heard": heard,
            "asked_at": asked_at,
        }

        async def put(connection: Connection) -> tuple[int, bool]:
            async with connection.pipeline():
                await connection.execute(_CLEAN)
                cursor = await connection.execute(_PUT, given)
            [[id_, holders]] = await cursor.fetchall()
            return id_, holders > 0

        return await self._link.ask(put)

    async def look(self, id_: int) -> Look | None:
        """Show the wish to the thread's holder again; return what has become of it, `None` if it is gone.

        Raises `StorageError`.
        """
        rows = await self._rows(_LOOK, id=id_, asker=self._link.address)
        if not rows:
            return None
        [[answer, received_at, receivers, is_next, is_superseded, receiver]] = rows
        return Look(
            answer=answer,
            received_at=received_at,
            is_received=receivers > 0,
            is_next=is_next,
            is_superseded=is_superseded,
            receiver=receiver,
        )

    async def receive(self, id_: int) -> Wish | None:
        """Return a wish, now seen by this process; `None` for an interrupt that is answered or another's.

        Raises `StorageError`.
        """
        rows = await self._rows(_RECEIVE, id=id_, receiver=self._link.address)
        return next(
            (Wish(id=id_, thread=row[0], kind=row[1], heard=row[2], asked_at=row[3]) for row in rows), None
        )

    async def answer(self, id_: int, answer: Answer) -> None:
        """Answer a wish. Raises `StorageError`."""
        await self._rows(_ANSWER, id=id_, answer=answer)

    async def withdraw(self, id_: int) -> None:
        """Delete a wish of this process. Raises `StorageError`."""
        await self._link.ask(lambda connection: connection.execute(_WITHDRAW, (id_,)))

    async def _rows(self, query: Any, **given: Any) -> list[tuple[Any, ...]]:
        async def ask(connection: Connection) -> list[tuple[Any, ...]]:
            return await (await connection.execute(query, given)).fetchall()

        return await self._link.ask(ask)
