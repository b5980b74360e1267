"""The model of the soak as a process that a test starts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from forked_python import ForkedPython
from patience import PATIENCE

from .fleet import TESTS


class ModelProcess:
    """The process of the model, at `url`."""

    def __init__(self) -> None:
        self._process = ForkedPython(["-m", "soaking.model"], stdin=True, cwd=TESTS)
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}/v1"

    def end(self) -> list[str]:
        """End it and return what it had to refuse."""
        out, _ = self._process.communicate(timeout=PATIENCE)
        return json.loads(out)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self._process.close()


@contextmanager
def model_process() -> Iterator[ModelProcess]:
    """Start the model for the body."""
    model = ModelProcess()
    try:
        yield model
    finally:
        model.kill()
