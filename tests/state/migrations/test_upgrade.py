"""Migrations: they make the tables that the models describe, once, whoever starts first."""

import asyncio
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from patience import PATIENCE
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from voicegraph.state.errors import StorageError
from voicegraph.state.migrations.upgrade import HEAD, MIGRATIONS, upgrade
from voicegraph.state.open import open_database
from voicegraph.state.tables.tables import Base

OPEN = """
import asyncio, sys
from voicegraph.state.store import open_store

async def main():
    store = await open_store(sys.argv[1])
    await store.close()

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
print("alembic" in sys.modules)
"""


def opener(url: str) -> "subprocess.Popen[str]":
    """Start a process that opens the database once it is given a line."""
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", OPEN, url]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def tables(file: Path) -> dict[str, str]:
    connection = sqlite3.connect(file)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {name: re.sub(r"[\s\"]+", "", sql) for name, sql in rows if name != "alembic_version"}


@pytest.fixture
async def migrated(url: str, tmp_path: Path) -> Path:
    """A file whose tables were made by all the migrations, one after the other."""
    file = tmp_path / "voice.db"
    begin_migrating(file)
    await (await open_database(url)).close()
    return file


def begin_migrating(file: Path) -> None:
    """Make an empty file look as if the first migration were due: a new one needs none."""
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.close()


async def test_alembic_finds_no_difference_between_migrations_and_models(url: str, migrated: Path) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


async def test_migrations_make_the_very_tables_that_a_new_file_has(migrated: Path, tmp_path: Path) -> None:
    await (await open_database(f"sqlite:///{tmp_path}/new.db")).close()
    by_migrations, new = tables(migrated), tables(tmp_path / "new.db")
    assert by_migrations.keys() == new.keys()
    for name, sql in new.items():
        assert sorted(by_migrations[name]) == sorted(sql), name


async def test_a_new_file_has_the_newest_revision(url: str, tmp_path: Path) -> None:
    await (await open_database(url)).close()
    connection = sqlite3.connect(tmp_path / "voice.db")
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    connection.close()


def test_the_models_have_a_form_for_postgresql() -> None:
    for table in Base.metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=postgresql.dialect()))
        for index in table.indexes:
            assert len(str(index.name)) <= 63
            assert str(CreateIndex(index).compile(dialect=postgresql.dialect()))
    number = CreateTable(Base.metadata.tables["messages"]).compile(dialect=postgresql.dialect())
    assert "number BIGINT NOT NULL" in str(number)


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_upgrade_tells_the_revision_before_and_after(url: str) -> None:
    database = await open_database(url, migrate=False)
    assert await upgrade(database.location) == (None, HEAD)
    assert await upgrade(database.location) == (HEAD, HEAD)
    await database.close()


async def test_upgrade_works_in_memory() -> None:
    database = await open_database("sqlite://", migrate=False)
    assert await upgrade(database.location) == (None, HEAD)
    await database.close()


async def test_a_database_of_a_newer_version_is_refused_and_left_as_it_was(url: str, tmp_path: Path) -> None:
    await (await open_database(url)).close()
    connection = sqlite3.connect(tmp_path / "voice.db")
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = (tmp_path / "voice.db").read_bytes()
    with pytest.raises(StorageError, match="newer version of voicegraph .* upgrade voicegraph or choose"):
        await open_database(url)
    assert (tmp_path / "voice.db").read_bytes() == before


async def test_a_migration_that_fails_leaves_no_table(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "migrations"
    (broken / "versions").mkdir(parents=True)
    (broken / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    script = (MIGRATIONS / "versions" / "0001_initial.py").read_text()
    broken_script = script.replace("    _passages()\n", "    op.execute('NO SUCH STATEMENT')\n", 1)
    (broken / "versions" / "0001_initial.py").write_text(broken_script)
    begin_migrating(tmp_path / "voice.db")
    with monkeypatch.context() as patch:
        patch.setattr("voicegraph.state.migrations.upgrade.MIGRATIONS", broken)
        with pytest.raises(StorageError, match="syntax error"):
            await open_database(url)
    assert tables(tmp_path / "voice.db") == {}
    await (await open_database(url)).close()
    assert "passages" in tables(tmp_path / "voice.db")


async def test_ten_tasks_that_open_one_new_file_all_succeed(url: str) -> None:
    databases = await asyncio.gather(*(open_database(url) for _ in range(10)))
    for database in databases:
        await database.close()


def test_processes_that_start_at_once_on_one_new_file_all_succeed(url: str) -> None:
    open_at_once(url)


def open_at_once(url: str) -> None:
    """Open the database from two processes at the same moment; both must succeed."""
    processes = [opener(url) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate(timeout=PATIENCE)[1] for process in processes] == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]


async def test_alembic_is_not_imported_for_a_database_that_is_up_to_date(url: str) -> None:
    await (await open_database(url)).close()
    said, complaints = await asyncio.to_thread(opener(url).communicate, "\n", timeout=PATIENCE)
    assert (said, complaints) == ("ready\nFalse\n", "")


async def test_alembic_is_not_imported_for_a_new_database(url: str) -> None:
    said, complaints = await asyncio.to_thread(opener(url).communicate, "\n", timeout=PATIENCE)
    assert (said, complaints) == ("ready\nFalse\n", "")


def test_processes_that_start_at_once_on_one_old_file_all_succeed(url: str, tmp_path: Path) -> None:
    begin_migrating(tmp_path / "voice.db")
    open_at_once(url)
