"""The model of the soak as a process that a test starts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from patience import PATIENCE

from .fleet import TESTS


class ModelProcess:
    """The process of the model, at `url`."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "soaking.model"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TESTS
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}/v1"

    def end(self) -> list[str]:
        """End it and return what it had to refuse."""
        out, _ = self._process.communicate(timeout=PATIENCE)
        return json.loads(out)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self._process.kill()
        with self._process:  # Its pipes are closed and its end is waited for.
            pass


@contextmanager
def model_process() -> Iterator[ModelProcess]:
    """Start the model for the body."""
    model = ModelProcess()
    try:
        yield model
    finally:
        model.kill()
