"""Run several processes on one port: start, restart and stop them together."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...state.backoff import backoff
from ...state.database.location import parse_location
from ...state.errors import InvalidSetting

log = logging.getLogger(__name__)

_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_QUICK_DEATH = 5.0
"""Seconds; a worker that ends earlier is restarted after a pause."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

Work = Callable[[socket.socket, Connection, Path], None]
"""A worker's main function, run in its own process: it serves the socket, reports on the connection once it
does, and shares its metrics in the folder. It must be a module-level function, or a `partial` of one."""


def check_workers(url: str) -> None:
    """Raise `InvalidSetting` when several processes cannot serve the database at `url`."""
    if sys.platform == "win32":
        raise InvalidSetting("several workers are not supported on Windows: use one")
    if parse_location(url).sqlite:
        raise InvalidSetting(
            "several workers need PostgreSQL, since SQLite serves one process: --db postgresql://..."
        )


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    telling: Connection
    began: float


class Workers:
    """Runs `count` processes of `work` on one listening socket.

    `ready` is called with the first one's report; `died` with a line about each that ends unexpectedly.
    """

    def __init__(
        self,
        count: int,
        work: Work,
        listening: socket.socket,
        *,
        ready: Callable[[Any], None],
        died: Callable[[str], None],
    ) -> None:
        self._count, self._work, self._listening = count, work, listening
        self._ready, self._died = ready, died
        self._workers: list[_Worker] = []
        self._ending = False
        self._pauses = backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self._start_at = 0.0
        self._metrics = Path()

    def run(self, patience: float) -> int:
        """Serve until shutdown, and return the exit code.

        At SIGTERM or SIGINT all workers shut down gracefully, and are killed after `patience` seconds. If the
        first one does not start, its exit code is returned.
        """
        with TemporaryDirectory(prefix="voicegraph-metrics-") as folder, _signals(self._end) as woken:
            # The metrics library reads it when a worker imports it.
            os.environ[_METRICS] = folder
            self._metrics = Path(folder)
            self._start()
            told = self._first_word()
            if told is None:
                return 0 if self._ending else self._workers[0].process.exitcode or 0
            self._ready(told)
            self._keep(woken)
            return self._wait_for_the_end(patience)

    def _first_word(self) -> Any:
        """Return the first worker's report once it listens, `None` if it ends before."""
        try:
            return self._workers[0].telling.recv()
        except EOFError:
            self._workers[0].process.join()
            return None

    def _start(self) -> None:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(
            target=self._work, args=(self._listening, theirs, self._metrics)
        )
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours, time.monotonic()))
        if self._ending:  # The signal arrived in between.
            process.terminate()

    def _keep(self, woken: socket.socket) -> None:
        """Keep `count` workers running until shutdown."""
        while not self._ending:
            left = self._start_at - time.monotonic()
            while len(self._workers) < self._count and left <= 0 and not self._ending:
                self._start()
            sentinels = [worker.process.sentinel for worker in self._workers]
            wait([woken, *sentinels], left if len(self._workers) < self._count else None)
            for worker in [worker for worker in self._workers if not worker.process.is_alive()]:
                self._take_leave(worker)

    def _take_leave(self, worker: _Worker) -> None:
        from prometheus_client import multiprocess

        process = worker.process
        process.join()
        worker.telling.close()
        self._workers.remove(worker)
        multiprocess.mark_process_dead(process.pid, str(self._metrics))  # pyright: ignore[reportUnknownMemberType]
        if self._ending:
            return
        quick = time.monotonic() - worker.began < _QUICK_DEATH
        if not quick:
            self._pauses = backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self._start_at = time.monotonic() + (next(self._pauses) if quick else 0.0)
        code = process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self._died(f"worker {process.pid} {how}: starting another one")

    def _end(self) -> None:
        self._ending = True
        self._listening.close()
        for worker in self._workers:
            if worker.process.is_alive() and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGTERM)

    def _wait_for_the_end(self, patience: float) -> int:
        deadline = time.monotonic() + patience
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                log.error("a worker did not end in time", extra={"worker": worker.process.pid})
                worker.process.kill()
                worker.process.join()
        return 0


@contextmanager
def _signals(end: Callable[[], None]) -> Generator[socket.socket]:
    """Call `end` on SIGINT and SIGTERM; the yielded socket becomes readable on each."""
    woken, waking = socket.socketpair()
    for end_of_pair in (woken, waking):
        end_of_pair.setblocking(False)
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = {kind: signal.signal(kind, lambda _number, _frame: end()) for kind in kinds}
    wakeup = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    try:
        yield woken
    finally:
        signal.set_wakeup_fd(wakeup)
        for kind, handler in before.items():
            signal.signal(kind, handler)
        woken.close()
        waking.close()
