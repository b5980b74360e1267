"""What a process used so far, its own or another one: Linux tells it in `/proc`."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessFigures:
    """The process with the id `pid`."""

    pid: int

    def cpu(self) -> float:
        """Return the seconds of processor time of all its threads, to the microsecond."""
        if self.pid == os.getpid():
            return time.process_time()
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9

    def written(self) -> int:
        """Return how many bytes it has written to files and sockets."""
        fields = dict(line.split(": ") for line in self._read("io").splitlines())
        return int(fields["wchar"])

    def peak_memory(self) -> float:
        """Return the most memory that it held at once, in MB."""
        line = next(line for line in self._read("status").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024

    def _read(self, name: str) -> str:
        return Path(f"/proc/{self.pid}/{name}").read_text()


@dataclass(frozen=True)
class PostgresFigures(ProcessFigures):
    """A process whose data a PostgreSQL server writes: that counts by its log."""

    url: str

    def written(self) -> int:
        """Return how many bytes the server has logged."""
        import psycopg

        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        assert row is not None
        return int(row[0])
