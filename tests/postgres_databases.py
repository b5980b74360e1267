"""PostgreSQL databases for tests: one server for all processes of a test run, a fresh database a test."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO, LiteralString
from uuid import uuid4

import psycopg
from postgres_server import PostgresServer
from psycopg import sql

from voicegraph.state import open_store
from voicegraph.state.checkpoints import open_checkpointer

# Read before a test takes all such variables away.
_GIVEN = os.environ.get("VOICEGRAPH_TEST_POSTGRES")
_PREFIX = "voicegraph-postgres-"
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30


class PostgresDatabases:
    """Databases on the server at `url`, where they may be made; those made are copies of a migrated one."""

    def __init__(self, url: str, template: str) -> None:
        self._url = url
        self._template = template
        self._connection = psycopg.connect(url, autocommit=True)

    def make_template(self) -> None:
        """Make the database that others are copies of."""
        self._execute("CREATE DATABASE {}", self._template)

        async def migrate() -> None:
            store = await open_store(self._url_of(self._template))
            async with open_checkpointer(store.database.location):
                pass
            await store.close()

        asyncio.run(migrate())

    @contextmanager
    def fresh(self, *, migrated: bool = True) -> Iterator[str]:
        """Give the URL of a database with empty tables, or with none; behind the body it is dropped."""
        name = f"test_{uuid4().hex}"
        template = self._template if migrated else "template0"
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        try:
            yield self._url_of(name)
        finally:
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def drop_template(self) -> None:
        """Drop the database that others are copies of."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", self._template)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _url_of(self, name: str) -> str:
        base, _, options = self._url.partition("?")
        return f"{base.rpartition('/')[0]}/{name}" + (f"?{options}" if options else "")


@contextmanager
def shared_databases(meeting: Path) -> Iterator[PostgresDatabases]:
    """Give databases on the server that all processes share which name the same folder to meet in.

    The first one starts it and the last one stops it. With `VOICEGRAPH_TEST_POSTGRES` it is the server at
    that URL, which is neither started nor stopped.
    """
    with ExitStack() as stack:
        with _locked(meeting / "postgres.lock"):
            folder = _folder(meeting / "postgres")
            users = stack.enter_context((folder / "users").open("a"))
            fcntl.flock(users, fcntl.LOCK_SH)
            stack.enter_context(_ended_by_the_last(meeting, folder, users))
            databases = _opened(folder)
            stack.callback(databases.close)
        yield databases


def _folder(pointer: Path) -> Path:
    """Return the folder of the server that `pointer` names, the first time a new one.

    It is beside pytest's own folders, which nobody but their owner may enter.
    """
    if not pointer.exists():
        _sweep()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_home()))
        folder.chmod(0o755)
        pointer.write_text(str(folder))
    return Path(pointer.read_text())


def _home() -> str:
    """Return where servers keep their data: in memory if there is room, where a new database takes 10 ms."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM and os.access(_MEMORY, os.W_OK)
    return str(_MEMORY) if roomy else tempfile.gettempdir()


def _sweep() -> None:
    """Stop the servers of test runs that were killed: nobody holds their lock any more."""
    for folder in Path(_home()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / "users").open("r+") as users:
            if _is_last(users):
                _end(folder)


def _opened(folder: Path) -> PostgresDatabases:
    """Return the databases on the server, which is started and given its template when it is new."""
    if (folder / "url").exists():
        return _databases(folder)
    url = _GIVEN
    if url is None:
        server = PostgresServer(folder)
        server.start()
        url = server.url()
    (folder / "url").write_text(url)
    databases = _databases(folder)
    databases.make_template()
    return databases


def _databases(folder: Path) -> PostgresDatabases:
    template = f"template_{folder.name.removeprefix(_PREFIX)}"
    return PostgresDatabases((folder / "url").read_text(), template)


@contextmanager
def _ended_by_the_last(meeting: Path, folder: Path, users: IO[str]) -> Iterator[None]:
    try:
        yield
    finally:
        with _locked(meeting / "postgres.lock"):
            if _is_last(users):
                _end(folder)


def _end(folder: Path) -> None:
    if (folder / "data").exists():
        with suppress(RuntimeError):  # It runs no more.
            PostgresServer(folder).stop()
    elif (folder / "url").exists():
        with suppress(psycopg.Error), closing(_databases(folder)) as databases:
            databases.drop_template()
    shutil.rmtree(folder, ignore_errors=True)


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
