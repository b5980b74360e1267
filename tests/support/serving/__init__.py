"""A real `voicegraph serve` in a process of its own, whose model is the scripted server of the tests."""

import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forked_python import ForkedPython
from openai_server import OpenAIServer
from patience import PATIENCE

LISTENING = "Listening at http"


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running server: its process, its URL, its database, and the model server that it asks."""

    process: ForkedPython
    url: str
    database_url: str
    backend: Any
    """The scripted model server; `None` when only a URL was given."""

    def terminate(self) -> int:
        """Tell it to end, wait for it and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)


def until_listening(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines up to the one that tells where the server listens, or all."""
    for line in lines:
        yield line
        if line.startswith(LISTENING):
            return


@contextmanager
def serving(
    folder: Path,
    backend: OpenAIServer | str,
    *options: str,
    settings: Mapping[str, str] | None = None,
    database_url: str | None = None,
) -> Iterator[Process]:
    """Start a server over `voice.db` in `folder`, or another database, and the model `backend`, or its URL.

    It is killed at the end.
    """
    database_url = database_url or f"sqlite:///{folder / 'voice.db'}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),  # What it leaves there when it is killed goes with the folder.
        "OPENAI_BASE_URL": backend if isinstance(backend, str) else backend.base_url,
        "OPENAI_API_KEY": "test",
        **(settings or {}),
    }
    command = ["-m", "voicegraph.graph", "serve", "--port", "0", "--db", database_url, *options]
    process = ForkedPython(command, cwd=folder, env=environment)
    try:
        # Log lines may come first, such as those on turns that a killed server left.
        written = list(until_listening(process.stderr))
        assert written and written[-1].startswith(LISTENING), "".join(written)
        url = written[-1].split()[2]
        yield Process(
            process=process,
            url=url,
            database_url=database_url,
            backend=None if isinstance(backend, str) else backend,
        )
    finally:
        process.close()
