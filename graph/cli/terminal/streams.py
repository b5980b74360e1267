"""The standard streams of a command, as its process may have been given them: closed, broken, full."""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any


class _ClosedOutput(io.TextIOBase):
    """An output stream that was closed before the command began: what it writes must not vanish unnoticed."""

    def write(self, text: Any, /) -> int:
        """Raise `OSError`."""
        raise OSError(errno.EBADF, "the output stream is closed")

    @property
    def buffer(self) -> Any:
        """The stream for bytes."""
        return self


def open_streams() -> None:
    """Give the process the streams that it lacks, and let all take text that they cannot encode.

    A database or a socket would get the number of a stream that is closed, and with it what is written there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdin = io.TextIOWrapper(io.BytesIO())
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = _ClosedOutput()
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = io.TextIOWrapper(io.BytesIO())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def read_text() -> str:
    """Return the input stream, read as UTF-8.

    Bytes that are no text become surrogates, which the caller of this refuses.
    """
    return without_mark(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"))


def without_mark(text: str) -> str:
    """Return the text without the byte-order mark that some programs write before it."""
    return text.removeprefix("\ufeff")


def flush_streams() -> None:
    """Write what is left; to a stream that takes nothing any more, nothing is written from now on.

    Python would complain about it at its end, and change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
