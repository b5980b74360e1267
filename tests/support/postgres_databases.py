"""PostgreSQL databases for tests: one server for all processes of a test run, a fresh database a test."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO, LiteralString
from uuid import uuid4

import psycopg
from postgres_folders import abandoned_folders, in_use, is_last_user, locked, new_folder
from postgres_programs import CannotRun
from postgres_server import PostgresServer
from psycopg import sql

from voicegraph.state import open_store
from voicegraph.state.errors import StorageError
from voicegraph.state.open import open_checkpointer


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
    that URL, which is neither started nor stopped. Raises `CannotRun`, to all who come after the first one
    without another attempt.
    """
    with ExitStack() as stack:
        with locked(meeting / "postgres.lock"):
            folder = _folder(meeting / "postgres")
            users = stack.enter_context(in_use(folder))
            stack.callback(_leave, meeting, folder, users)
            databases = _opened(folder, meeting / "postgres.refused")
            stack.callback(databases.close)
        yield databases


def _folder(pointer: Path) -> Path:
    """Return the folder of the server that `pointer` names; a new one when there is none, or no more.

    It is beside pytest's own folders, which nobody but their owner may enter.
    """
    if not pointer.exists() or not Path(pointer.read_text()).exists():
        for abandoned in abandoned_folders():
            _end(abandoned)
        pointer.write_text(str(new_folder()))
    return Path(pointer.read_text())


def _opened(folder: Path, refused: Path) -> PostgresDatabases:
    """Return the databases on the server, which is started and given its template when it is new."""
    if refused.exists():
        raise CannotRun(refused.read_text())
    if (folder / "url").exists():
        return _databases(folder)
    try:
        return _made(folder)
    except (CannotRun, psycopg.Error, StorageError) as error:
        reason = " ".join(str(error).split())
        refused.write_text(reason)
        raise CannotRun(reason) from error


def _made(folder: Path) -> PostgresDatabases:
    url = os.environ.get("VOICEGRAPH_TEST_POSTGRES")
    if url is None:
        server = PostgresServer(folder)
        server.start()
        url = server.url()
    (folder / "url").write_text(url)
    databases = _databases(folder)
    databases.make_template()
    return databases


def _databases(folder: Path) -> PostgresDatabases:
    template = f"template_{folder.name.rpartition('-')[2]}"
    return PostgresDatabases((folder / "url").read_text(), template)


def _leave(meeting: Path, folder: Path, users: IO[str]) -> None:
    with locked(meeting / "postgres.lock"):
        if is_last_user(users):
            _end(folder)


def _end(folder: Path) -> None:
    """Stop the server of a folder and delete both; at a given server delete its template."""
    if (folder / "data").exists():
        with suppress(CannotRun):  # It runs no more.
            PostgresServer(folder).stop()
    elif (folder / "url").exists():
        with suppress(psycopg.Error), closing(_databases(folder)) as databases:
            databases.drop_template()
    shutil.rmtree(folder, ignore_errors=True)
