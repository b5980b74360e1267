"""Database URLs: the accepted forms and where they point."""

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..errors import InvalidSetting, MissingExtra
from ..tables.names import new_id

FORMS = "sqlite:///file.db, sqlite:////absolute/file.db, sqlite:///:memory: or postgresql://user@host/name"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Location:
    """Where a database is.

    `engine_url` is for SQLAlchemy. `path` is the SQLite file. `shown` has no password and may be printed.
    """

    engine_url: URL
    shown: str
    path: Path | None = None
    memory: str | None = None

    @property
    def sqlite(self) -> bool:
        """True for SQLite, on disk or in memory."""
        return self.engine_url.get_backend_name() == "sqlite"


def parse_location(url: str) -> Location:
    """Return the location for `url`.

    Raises `InvalidSetting` for any other form, and `MissingExtra` if PostgreSQL's driver is not installed.
    Neither repeats the URL, which may hold a password.
    """
    if url in {"sqlite://", "sqlite:///:memory:"}:
        return _in_memory()
    if url.startswith("sqlite:///"):
        return _in_file(url.removeprefix("sqlite:///"))
    if url.startswith("postgresql://"):
        return _on_server(url)
    scheme = re.match(r"[a-z0-9+]{1,30}(?=://)", url, re.IGNORECASE)
    what = f"a database URL that begins with '{scheme[0]}://'" if scheme else "this database URL"
    raise InvalidSetting(f"{what} cannot be used; write {FORMS}")


def checkpoint_path(database: Path | None) -> str:
    """Return the checkpoint file beside `NAME.db`, or `:memory:`: two writers on one file would block."""
    if database is None:
        return ":memory:"
    return str(database.with_name(f"{database.stem}.checkpoints{database.suffix or '.db'}"))


def _in_file(name: str) -> Location:
    if not name or "?" in name or "\0" in name:
        raise InvalidSetting(f"a database URL needs a file name, without '?'; write {FORMS}")
    # Absolute, so that a later change of the working directory does not change the database.
    try:
        path = Path(os.path.abspath(os.path.expanduser(name)))
    except FileNotFoundError as error:
        raise InvalidSetting(
            "the working directory was deleted: write the path of the database from the root"
        ) from error
    return Location(
        engine_url=URL.create("sqlite+pysqlite", database=str(path)),
        shown=str(path),
        path=path,
    )


def _in_memory() -> Location:
    # Named, in SQLite's own `memdb` file system: with `:memory:`, each connection has a database of its own.
    name = f"file:/{new_id('voicegraph')}"
    query = {"vfs": "memdb", "uri": "true"}
    return Location(
        engine_url=URL.create("sqlite+pysqlite", database=name, query=query),
        shown="in memory",
        memory=f"{name}?vfs=memdb",
    )


def _on_server(url: str) -> Location:
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise InvalidSetting(
            "the PostgreSQL URL cannot be read; write postgresql://user:password@host:5432/name, "
            "with special characters of the password percent-encoded"
        ) from None
    if find_spec("psycopg") is None:
        raise MissingExtra("postgres", "a PostgreSQL database")
    port = f":{parsed.port}" if parsed.port else ""
    shown = f"postgresql://{parsed.host or 'localhost'}{port}/{parsed.database or ''}"
    return Location(engine_url=parsed, shown=shown)
