"""Which processes have an SQLite file open is known, however they end."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked_python import ForkedPython, run_python

from voicegraph.state.errors import InvalidSetting, StorageError
from voicegraph.state.sqlite.process_lock import ProcessLock

HOLD = """
import sys
from pathlib import Path
from voicegraph.state.sqlite.process_lock import ProcessLock

lock = ProcessLock(Path(sys.argv[1]))
if "serve" in sys.argv:
    lock.serve()
print(lock.token, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "voice.db"
    path.touch()
    return path


class Process:
    """Another process that has the file open."""

    def __init__(self, database: Path, *options: str) -> None:
        self._process = ForkedPython(["-c", HOLD, str(database), *options], stdin=True)
        self.token = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.close()


@pytest.fixture
def other(database: Path) -> Iterator[Process]:
    process = Process(database)
    yield process
    process.kill()


def test_a_token_lives_as_long_as_its_process(database: Path, other: Process) -> None:
    lock = ProcessLock(database)
    assert lock.is_alive(other.token)
    assert lock.is_alive(lock.token)
    assert not lock.is_alone()
    other.kill()
    assert not lock.is_alive(other.token)
    assert lock.is_alone()
    lock.close()


def test_looking_does_not_take_anybodys_token_away(database: Path) -> None:
    first, second = ProcessLock(database), ProcessLock(database)
    assert first.is_alive(second.token)
    second.close()
    second.close()
    assert not first.is_alive(second.token)
    other = Process(database)
    assert not first.is_alone()
    # Closing the second one freed no lock of the first: the other process sees it still.
    looking = (
        "import sys; from pathlib import Path\nfrom voicegraph.state.sqlite.process_lock import ProcessLock\n"
    )
    looking += "print(ProcessLock(Path(sys.argv[1]), takes_part=False).is_alive(int(sys.argv[2])))"
    assert run_python(["-c", looking, str(database), str(first.token)]) == (0, "True\n", "")
    other.kill()
    first.close()


def test_each_opening_is_counted(database: Path) -> None:
    lock = ProcessLock(database)
    before = lock.openings()
    Process(database).kill()
    assert lock.openings() == before + 1
    lock.close()


def test_a_second_server_is_refused_until_the_first_is_dead(database: Path) -> None:
    server = Process(database, "serve")
    lock = ProcessLock(database)
    with pytest.raises(InvalidSetting, match="one server process"):
        lock.serve()
    server.kill()
    lock.serve()
    lock.close()


def test_one_file_by_two_names_has_one_lock(database: Path, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(database)
    first, second = ProcessLock(database), ProcessLock(tmp_path / "link.db")
    assert first.is_alive(second.token)
    assert not (tmp_path / "link.db.lock").exists()
    second.close()
    first.close()


def test_the_lock_may_be_opened_by_those_who_may_open_the_database(database: Path) -> None:
    database.chmod(0o600)
    lock = ProcessLock(database)
    assert os.stat(f"{database}.lock").st_mode & 0o777 == 0o600
    lock.close()


def test_a_lock_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"missing/voice\.db\.lock: .*"):
        ProcessLock(tmp_path / "missing" / "voice.db")
