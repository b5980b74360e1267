"""Two connections to PostgreSQL that link a process with the others.

They are not from the pool: a lock ends with its connection, and notices arrive at any time.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from ..backoff import backoff
from ..database.location import Location
from ..database.uninterrupted import unbroken
from ..errors import StorageError
from .connection import connection_arguments, conninfo
from .faults import postgres_faults

log = logging.getLogger(__name__)

T = TypeVar("T")
Connection = AsyncConnection[tuple[Any, ...]]

LONGEST_OUTAGE = 5.0
"""Maximum seconds that a query waits for a broken connection to be restored; the caller hears nothing."""

_FIRST_RETRY, _LONGEST_RETRY = 0.05, 1.0
_HEARTBEAT = 1.0
_CLOCK_ERROR = 0.05
"""Seconds by which the server's clock may differ from what is known of it."""
SURE_FOR = 3.0
"""Seconds after the server's last answer during which a process relies on its locks.

Other processes terminate the session of one that is silent for longer, and take its threads.
"""
_ANSWER_WITHIN = 15.0
"""Seconds without an answer after which the connection counts as broken.

TCP usually notices a dead server earlier, and this process may itself be slow for a while.
"""

_QUICK: dict[str, Any] = {
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
# The server notices within seconds that a client machine is gone, and frees its locks.
_PREPARE = """
    SELECT set_config('tcp_keepalives_idle', '2', false), set_config('tcp_keepalives_interval', '1', false),
        set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '5000', false),
        set_config('idle_session_timeout', '0', false)
"""

_SESSION = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END_SESSION = """
    SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s
"""


class Listener(Protocol):
    """Receives the events of a link."""

    async def link_made(self, connection: Connection) -> None:
        """The link is up again by `connection`, which nothing else uses yet; earlier locks are gone."""
        ...

    def link_broken(self) -> None:
        """The link is down, and its locks are gone."""
        ...

    def hear(self, notice: str) -> None:
        """A notice of another process has arrived."""
        ...


class Link:
    """Two connections of a process, restored when they break: one for short queries, one for notices.

    `address` is the server process of the first one, by which other processes send notices to this one.
    """

    def __init__(self, location: Location, listener: Listener) -> None:
        self.address = 0
        self._location, self._listener = location, listener
        self._connection: Connection | None = None
        self._answered_at = 0.0
        self._ahead = 0.0
        self._up = asyncio.Event()
        self._broken = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._session: tuple[Any, ...] | None = None
        self._asking: asyncio.Task[Any] | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """False while the server is unreachable."""
        return self._up.is_set()

    @property
    def is_sure(self) -> bool:
        """False if the server has not answered for a while, perhaps because this process was frozen."""
        return time.monotonic() - self._answered_at < SURE_FOR

    def at(self, moment: float) -> datetime:
        """Return when `moment` of `time.monotonic()` was by the server's clock."""
        return datetime.fromtimestamp(moment + self._ahead, UTC)

    async def open(self) -> None:
        """Connect. Raises `StorageError` if the server cannot be reached."""
        with postgres_faults(self._location.shown):
            pair = await self._connect()
        self._keeping = asyncio.create_task(self._keep(*pair))
        await self._up.wait()

    async def close(self) -> None:
        """Disconnect, which frees the locks."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})

    @unbroken
    async def ask(self, question: Callable[[Connection], Awaitable[T]]) -> T:
        """Return the result of `question`, which has the connection to itself.

        Waits until a broken connection is restored. Raises `StorageError`.
        """
        try:
            async with asyncio.timeout(LONGEST_OUTAGE):
                await self._up.wait()
        except TimeoutError:
            error = StorageError(f"database {self._location.shown}: the server is away; try again")
            error.retryable = True
            raise error from None
        async with self._one_at_a_time:
            connection = self._connection
            with postgres_faults(self._location.shown):
                if connection is None:
                    raise psycopg.OperationalError("the connection broke")
                self._asking = asyncio.current_task()  # A task of its own: `ask` is `unbroken`.
                try:
                    return await question(connection)
                except psycopg.Error:
                    if connection.closed and connection is self._connection:
                        self._broken.set()  # The error may be from an earlier connection.
                    raise
                except asyncio.CancelledError:
                    if not connection.closed:
                        raise
                    raise psycopg.OperationalError("the connection broke") from None
                finally:
                    self._asking = None

    async def _keep(self, talking: Connection, hearing: Connection) -> None:
        while True:
            try:
                await self._use(talking, hearing)
            except (psycopg.Error, TimeoutError) as error:
                log.warning("the link to the database broke", extra={"error": type(error).__name__})
            pair, pauses = None, backoff(_FIRST_RETRY, _LONGEST_RETRY)
            while pair is None:
                await asyncio.sleep(next(pauses))
                with suppress(psycopg.Error, StorageError):
                    pair = await self._connect()
            talking, hearing = pair

    async def _use(self, talking: Connection, hearing: Connection) -> None:
        """Use a new pair of connections until one breaks."""
        try:
            self.address = await self._replace_session(talking)
            await hearing.execute(SQL("LISTEN {}").format(Identifier(_channel(self.address))))
            await self._listener.link_made(talking)
            self._connection = talking
            self._broken.clear()
            self._up.set()
            hearing_on = asyncio.create_task(self._hear(hearing))
            broken = asyncio.create_task(self._broken.wait())
            try:
                await asyncio.wait({hearing_on, broken}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (hearing_on, broken):
                    task.cancel()
                await asyncio.wait({hearing_on, broken})
            if not hearing_on.cancelled():
                await hearing_on
        finally:
            self._up.clear()
            self._connection = None
            self._listener.link_broken()
            await talking.close()
            if self._asking is not None:
                self._asking.cancel()  # A closed socket gives neither an answer nor an error.
            await hearing.close()

    async def _replace_session(self, talking: Connection) -> int:
        """Terminate the previous session and return the server process of this one.

        The server may not have noticed that the previous connection broke, and still keep its locks.
        """
        if self._session is not None:
            try:
                await talking.execute(_END_SESSION, self._session)
            except psycopg.Error as error:  # Old servers cannot wait for the end; the locks are freed later.
                log.info("the last session was not ended", extra={"error": type(error).__name__})
        cursor = await talking.execute(_SESSION)
        [self._session] = await cursor.fetchall()
        return self._session[0]

    async def _hear(self, hearing: Connection) -> None:
        while True:
            async for notice in hearing.notifies(timeout=_HEARTBEAT):
                try:
                    self._listener.hear(notice.payload)
                except Exception:  # Any client may send a notice; the next one must still be received.
                    log.exception("a notice of another process could not be read")
            async with asyncio.timeout(_ANSWER_WITHIN):
                await hearing.execute("SELECT 1")
                async with self._one_at_a_time:
                    if self._connection is not None:
                        await self._beat(self._connection)

    async def _connect(self) -> tuple[Connection, Connection]:
        talking = await self._connected("voicegraph locks")
        try:
            await self._beat(talking)
            hearing = await self._connected("voicegraph notices")
            try:
                await self._require_sessions(talking, hearing)
            except BaseException:
                await hearing.close()
                raise
            return talking, hearing
        except BaseException:
            await talking.close()
            raise

    async def _require_sessions(self, talking: Connection, hearing: Connection) -> None:
        """Raise `StorageError` unless each connection has a server process of its own."""
        seen: list[set[int]] = [set(), set()]
        for _ in range(2):
            for connection, processes in zip((talking, hearing), seen, strict=True):
                [[process]] = await (await connection.execute("SELECT pg_backend_pid()")).fetchall()
                processes.add(process)
        if any(len(processes) > 1 for processes in seen) or seen[0] & seen[1]:
            raise StorageError(
                f"database {self._location.shown}: a pooler lends connections for single transactions, which "
                "keep no locks: set its pool_mode to session, or connect to PostgreSQL itself"
            )

    async def _connected(self, name: str) -> Connection:
        given: dict[str, Any] = {
            **connection_arguments(self._location.engine_url),
            **_QUICK,
            "application_name": name,
        }
        connection = await AsyncConnection.connect(conninfo(self._location), autocommit=True, **given)
        try:
            await connection.execute(_PREPARE)
        except psycopg.Error as error:  # Old servers lack some of the settings.
            log.info("the server keeps its own keepalives", extra={"error": type(error).__name__})
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _beat(self, connection: Connection) -> None:
        before = time.monotonic()
        cursor = await connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        [[shown]] = await cursor.fetchall()
        after = time.monotonic()
        self._answered_at = before
        ahead = shown - (before + after) / 2
        # Kept while it is about right: two moments of this process stay in their order.
        if abs(ahead - self._ahead) > max(_CLOCK_ERROR, after - before):
            self._ahead = ahead


def _channel(address: int) -> str:
    return f"voicegraph_{address}"
