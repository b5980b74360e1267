"""A process that forks the turns that are killed."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path

from forked_python import ForkedPython


class Killed:
    """A process that forks the turns to be killed, so that each costs no start of Python."""

    def __init__(self, program: str = "sweeps.killed_process") -> None:
        tests = Path(__file__).parents[1]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests / "support")])}
        self._process = ForkedPython(["-m", program], env=environment, stdin=True)

    def run(self, url: str, counter: Path, seconds: float) -> None:
        """Begin a turn and kill its process so many seconds after its first word."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{url} {counter}\n")
        self._process.stdin.flush()
        while not (line := self._process.stdout.readline()).startswith("begun"):
            pass
        pid = int(line.split()[1])
        threading.Event().wait(seconds)
        with suppress(ProcessLookupError):  # The turn was quicker.
            os.kill(pid, signal.SIGKILL)
        while not self._process.stdout.readline().startswith("gone"):
            pass

    def run_until(self, url: str, counter: Path, death: str) -> list[str]:
        """Run a turn whose process kills itself, as in `before save 1`; return the lines that it wrote."""
        return self.run_line(f"{url} {counter} {death}")

    def run_line(self, given: str) -> list[str]:
        """Give the process a line; return the lines that were written until its child was gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{given}\n")
        self._process.stdin.flush()
        lines: list[str] = []
        while not (line := self._process.stdout.readline()).startswith("gone"):
            lines.append(line.strip())
        return lines

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._process.close()
