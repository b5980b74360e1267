"""Cope with standard streams that are closed, broken or full."""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any


class _ClosedOutput(io.TextIOBase):
    """An output stream that was closed before the start: a write must fail, not vanish."""

    def write(self, text: Any, /) -> int:
        """Raise `OSError`."""
        raise OSError(errno.EBADF, "the output stream is closed")

    @property
    def buffer(self) -> Any:
        """The stream for bytes."""
        return self


def open_streams() -> None:
    """Open missing standard streams, and let all of them replace characters that they cannot encode.

    Otherwise a database or socket could get a closed stream's descriptor, and with it what is written there.
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

    Invalid bytes become surrogates, which the caller refuses.
    """
    return without_mark(sys.stdin.buffer.read().decode("utf-8", "surrogateescape"))


def without_mark(text: str) -> str:
    """Return the text without a leading byte-order mark."""
    return text.removeprefix("\ufeff")


def flush_streams() -> None:
    """Flush the streams; one that cannot be written is replaced by the null device.

    Otherwise Python would report an error at exit and change the exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
