"""Opening a database: the URLs that are taken, and clear errors for all else."""

import asyncio
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ada import ADA
from sqlalchemy import text

from voicegraph.state.database.database import Database
from voicegraph.state.errors import InvalidSetting, MissingExtra, StorageError
from voicegraph.state.open import open_database
from voicegraph.state.store import open_store


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def pragma(database: Database, name: str) -> object:
    return await database.read(lambda session: session.scalar(text(f"PRAGMA {name}")))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
async def test_a_database_in_memory_is_one_for_all_its_sessions(url: str) -> None:
    store = await open_store(url)
    await asyncio.gather(*(store.agents.create(ADA, f"agent {number}") for number in range(10)))
    assert len(await store.agents.list(ADA)) == 10
    await store.close()


async def test_two_databases_in_memory_are_apart() -> None:
    one, other = await open_store("sqlite://"), await open_store("sqlite://")
    await one.agents.create(ADA, "nina")
    assert await other.agents.list(ADA) == ()
    await one.close()
    await other.close()


async def test_a_relative_url_is_a_file_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = await open_database("sqlite:///voice.db")
    await database.close()
    assert database.path == tmp_path / "voice.db"
    assert database.path and database.path.exists()


async def test_missing_folders_are_made(tmp_path: Path) -> None:
    database = await open_database(f"sqlite:///{tmp_path}/a/b c/100%/voice.db")
    await database.close()
    assert (tmp_path / "a/b c/100%/voice.db").exists()


async def test_the_pragmas_are_set_on_each_connection(url: str) -> None:
    database = await open_database(url)
    values = {name: await pragma(database, name) for name in ("journal_mode", "synchronous", "busy_timeout")}
    assert values == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 5000}
    assert await pragma(database, "foreign_keys") == 1
    await database.close()


async def test_a_closed_database_leaves_one_file(url: str, tmp_path: Path) -> None:
    store = await open_store(url)
    await store.agents.create(ADA, "nina")
    await store.close()
    await store.close()
    assert names_in(tmp_path) == ["voice.db"]


async def test_what_was_stored_is_there_when_it_is_opened_again(url: str) -> None:
    store = await open_store(url)
    agent = await store.agents.create(ADA, "nina", model_settings={"temperature": 0.5}, tools=["clock"])
    await store.close()
    store = await open_store(url)
    assert await store.agents.get(ADA, "nina") == agent
    await store.close()


@pytest.mark.parametrize(
    "url",
    ["", "voice.db", "sqlite:voice.db", "sqlite://voice.db", "sqlite:///", "sqlite:///a.db?mode=ro"]
    + ["sqlite:///a\0b", "mysql://u:hunter2@host/db", "postgres://u:hunter2@host/db"]
    + ["postgresql://u:hunter2@host:port/db", "u:hunter2@host"],
)
async def test_other_urls_are_refused_with_the_forms_that_are_taken_and_no_password(url: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        await open_database(url)
    message = str(caught.value)
    assert "postgresql://" in message
    assert "\n" not in message
    assert "hunter2" not in message


async def test_postgresql_without_its_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicegraph.state.database.location.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"voicegraph\[postgres\]"):
        await open_database("postgresql://u:hunter2@host/db")


async def test_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="is a folder: name a file in it"):
        await open_database(f"sqlite:///{tmp_path}")


async def test_a_corrupt_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "voice.db"
    file.write_bytes(b"this is no database, by any means" * 100)
    with pytest.raises(StorageError) as caught:
        await open_database(f"sqlite:///{file}")
    assert str(caught.value) == (
        f"database {file}: file is not a database; "
        "it is damaged or something else: restore a copy or choose another file"
    )
    assert file.read_bytes() == b"this is no database, by any means" * 100
    assert names_in(tmp_path) == ["voice.db"]


async def test_a_truncated_database_is_a_storage_error(url: str, tmp_path: Path) -> None:
    store = await open_store(url)
    await store.agents.create(ADA, "nina")
    await store.close()
    file = tmp_path / "voice.db"
    file.write_bytes(file.read_bytes()[:20_000])
    with pytest.raises(StorageError, match="malformed; it is damaged: restore a copy"):
        store = await open_store(url)
        try:
            await store.agents.list(ADA)
        finally:
            await store.close()


async def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE songs (title)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StorageError, match="belongs to another program"):
        await open_database(f"sqlite:///{file}")
    assert file.read_bytes() == before


async def test_a_file_in_place_of_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="make the file|check it"):
        await open_database(f"sqlite:///{tmp_path}/file/voice.db")


async def test_folders_made_for_a_file_that_cannot_be_are_taken_away(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        await open_database(f"sqlite:///{tmp_path}/new/{'x' * 300}.db")
    assert names_in(tmp_path) == []


@pytest.fixture
def guarded() -> Iterator[Path]:
    """A folder and a process that must obey its permissions: root gives its rights up for the test."""
    if sys.platform == "win32":
        pytest.skip("permissions of POSIX")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder, root = Path(name), os.geteuid() == 0
        folder.chmod(0o755)
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            folder.chmod(0o755)
            if root:
                os.seteuid(0)


async def test_a_folder_without_permission_to_write_is_a_storage_error(guarded: Path) -> None:
    os.chmod(guarded, 0o555)
    with pytest.raises(StorageError, match="make the file and its folder writable"):
        await open_database(f"sqlite:///{guarded}/voice.db")
    with pytest.raises(StorageError, match="make the file and its folder writable"):
        await open_database(f"sqlite:///{guarded}/new/voice.db")
    assert names_in(guarded) == []


async def test_a_file_without_permission_to_write_is_a_storage_error(guarded: Path) -> None:
    file = guarded / "voice.db"
    await (await open_database(f"sqlite:///{file}")).close()
    os.chmod(file, 0o444)
    with pytest.raises(StorageError, match="make the file and its folder writable"):
        await open_database(f"sqlite:///{file}")


async def test_an_error_of_a_statement_is_a_storage_error_without_its_values(url: str) -> None:
    database = await open_database(url)
    with pytest.raises(StorageError) as caught:
        query = text("SELECT :words FROM nowhere")
        await database.read(lambda session: session.execute(query, {"words": "a secret"}))
    assert str(caught.value) == (
        f"database {database.path}: no such table: nowhere; "
        "bring its tables up to date: voicegraph db upgrade"
    )
    await database.close()
