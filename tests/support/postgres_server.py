"""A real PostgreSQL server in a folder; it works as root too, and makes no account."""

import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from free_port import free_port, is_taken
from postgres_folders import in_use, new_folder
from postgres_programs import CannotRun, PostgresPrograms

# What is committed must survive `kill`, not a power cut: the kernel gets each commit, the disk none.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "max_connections": "300",
    # A killed server leaves its shared memory in its folder, where it is deleted with all else.
    "dynamic_shared_memory_type": "mmap",
    # Neither UTC nor this machine's: a time that is read without its zone is seen.
    "timezone": "Asia/Kolkata",
}
# Of PostgreSQL itself: a machine may have no locale but C.
_LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


class PostgresServer:
    """A server whose data lives in `folder`; it starts, stops and dies as often as one likes.

    Its port stays the same. Anybody on this machine may log in, as `postgres`. `settings` are PostgreSQL's
    own. Raises `CannotRun` where PostgreSQL does not run.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._settings = {**_FAST, **(settings or {})}
        self._programs = PostgresPrograms(folder)
        self._port = free_port()

    def url(self, database: str = "postgres") -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it takes connections; the first time its data are made."""
        if self._data.exists():
            self._start()
            return
        self._programs.run("initdb", "--no-sync", "--username=postgres", "--auth=trust", *_LOCALE)
        for _ in range(5):
            try:
                return self._start()
            except CannotRun:
                if not is_taken(self._port):
                    raise
                self._port = free_port()  # Another server was quicker.

    def stop(self) -> None:
        """Stop the server, if it runs; whoever is connected is cut off."""
        if self._process() is not None:
            self._programs.run("pg_ctl", "stop", "--wait", "--mode=fast")

    def kill(self) -> None:
        """Kill all processes of the server at once, as when its machine goes down."""
        first = self._process()
        assert first is not None
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # The others end by themselves when the first one is gone.
                process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while any(map(_alive, processes)) and time.monotonic() < deadline:
            time.sleep(0.005)
        # A dead process whom nobody has taken leave of yet would count as running.
        self._pid_file.unlink()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _process(self) -> psutil.Process | None:
        """Return its first process; after a crash another program may have got the number of that."""
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            process = psutil.Process(int(self._pid_file.read_text().split()[0]))
            if process.cwd() == str(self._data):
                return process
        return None

    def _start(self) -> None:
        options = {**self._settings, "port": self._port, "listen_addresses": "127.0.0.1"}
        given = " ".join(f"-c {name}={value}" for name, value in options.items())
        log = self._folder / "log"
        self._programs.run("pg_ctl", "start", "--wait", f"--log={log}", f"--options={given} -k ''", log=log)


@contextmanager
def new_server() -> Iterator[PostgresServer]:
    """Start a server for the body, in a folder of its own."""
    folder = new_folder()
    try:
        with in_use(folder):
            server = PostgresServer(folder)
            server.start()
            try:
                yield server
            finally:
                server.stop()
    finally:
        shutil.rmtree(folder)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
