"""Start `python -m` and `python -c` by forking a process that has imported the package already.

The processes are real ones, with an id, streams and an environment of their own. A start of Python that
imports the package takes a second of the processor, a fork a hundredth of it. Tests of the start itself, such
as its imports and closed streams, take a Python of their own.
"""

import io
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import IO, Any

from patience import PATIENCE

IMPORTED = [
    "forked_python",
    *(f"voicegraph.graph.{name}" for name in ("cli.terminal.storage", "turns.build_graph", "server.process")),
    *("voicegraph.nodes.testing", "voicegraph.state.store", "voicegraph.state.checkpoints.checkpointer"),
    *("langchain_openai", "openai.resources.chat.completions", "psycopg.pq", "psycopg_binary"),
    *("sqlalchemy.dialects.sqlite.pysqlite", "sqlalchemy.dialects.postgresql.psycopg"),
]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(IMPORTED)


class ForkedPython:
    """A running Python; what `subprocess.Popen(..., text=True)` has of the same names does the same."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
    ) -> None:
        """Start it with the arguments of `python`; without `stdin` its input is empty."""
        pipes = [_FORKS.Pipe(duplex=False) for _ in range(3)]
        reading, writing = [pipe[0] for pipe in pipes], [pipe[1] for pipe in pipes]
        theirs = [reading[0] if stdin else None, *writing[1:]]
        environment = dict(os.environ if env is None else env)
        self._process = _FORKS.Process(
            target=_run, args=(list(arguments), str(cwd or os.getcwd()), environment, theirs)
        )
        self._process.start()
        self.args = list(arguments)
        self.stdin = _stream(writing[0], "w") if stdin else None
        self.stdout, self.stderr = _stream(reading[1], "r"), _stream(reading[2], "r")
        for end in (*reading, *writing):
            end.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # It has ended, and was reaped by the process that forked it.
            if self._process.exitcode is None:
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        if self.stdin is not None and not self.stdin.closed:
            self.stdin.write(input or "")
            self.stdin.close()
        until = None if timeout is None else time.monotonic() + timeout
        read = ["", ""]
        readers = [
            Thread(target=_read, args=(read, place, stream), daemon=True)
            for place, stream in enumerate((self.stdout, self.stderr))
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(None if until is None else max(0.0, until - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if until is None else max(0.1, until - time.monotonic()))
        return read[0], read[1]

    def close(self) -> None:
        """Kill it if it still runs, and close its streams."""
        self.kill()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):  # What was left to write.
                    stream.close()

    def __enter__(self) -> "ForkedPython":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_python(
    arguments: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Run it to its end without an input; return its exit code, output and errors."""
    with ForkedPython(arguments, cwd=cwd, env=env) as process:
        out, errors = process.communicate(timeout=PATIENCE)
        return process.wait(), out, errors


def _stream(end: Connection, mode: str) -> IO[str]:
    return os.fdopen(os.dup(end.fileno()), mode, encoding="utf-8")


def _read(read: list[str], place: int, stream: IO[str]) -> None:
    if not stream.closed:
        with stream:
            read[place] = stream.read()


def _run(
    arguments: list[str], folder: str, environment: dict[str, str], ends: list[Connection | None]
) -> None:
    """Be the Python that was asked for, in the process that was forked."""
    for number, end in enumerate(ends):
        source = os.open(os.devnull, os.O_RDONLY) if end is None else end.fileno()
        os.dup2(source, number)
        if end is not None:
            end.close()
    sys.stdin = io.TextIOWrapper(io.FileIO(0, "r", closefd=False), encoding="utf-8")
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(raw, encoding="utf-8", line_buffering=number == 2))
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:0] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    kind, program, *rest = arguments
    sys.argv = [program if kind == "-m" else kind, *rest]
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        scope: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(program, "<string>", "exec"), scope)
