"""Write log lines from a thread: a blocked terminal or pipe must not block the event loop."""

import logging
import queue
import threading
import time
from typing import TextIO

_MOST_LINES = 10_000
"""Maximum number of lines waiting to be written; further ones are dropped and counted."""
_FAREWELL = 1.0
"""Seconds allowed for the last lines when the process ends."""


class LogWriter(logging.Handler):
    """A handler that never waits for its stream."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str] = queue.Queue(_MOST_LINES)
        self._dropped = 0
        threading.Thread(target=self._write, daemon=True, name="voicegraph-log").start()

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record now, while the turn that it belongs to is known, and write it later."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Wait until all lines are written, for a second at most."""
        until = time.monotonic() + _FAREWELL
        while self._lines.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            dropped, self._dropped = self._dropped, 0
            told = f"{line}\n({dropped} lines before this one were dropped)\n" if dropped else f"{line}\n"
            try:
                self._stream.write(told)
                self._stream.flush()
            except (OSError, ValueError):  # The stream has no reader any more.
                pass
            self._lines.task_done()
