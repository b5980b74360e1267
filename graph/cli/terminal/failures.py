"""What a command that fails says, in one line, and its exit code."""

import logging
import sqlite3
import sys
from contextlib import suppress

import typer

FAILED = 1
"""The turn failed, or the model or the database did."""
WRONG_USAGE = 2
"""The command cannot be run as it was typed."""
INTERRUPTED = 130
"""Ended by Ctrl-C, as shells count it."""

log = logging.getLogger(__name__)


def say_error(message: str) -> None:
    """Write one line to the error stream."""
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError):
        sys.stderr.write(f"voicegraph: {' '.join(message.split())}\n")
        sys.stderr.flush()


def report(error: Exception) -> int:
    """Tell what went wrong and return the exit code; `--verbose` logs where it came from."""
    log.debug("the command failed", exc_info=error)
    if isinstance(error, typer.TyperException):
        command = getattr(getattr(error, "ctx", None), "command_path", "voicegraph")
        say_error(f"{error.format_message().rstrip('.')} (see {command} --help)")
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return FAILED  # The reader has left: there is nothing to say.
    if isinstance(error, OSError) and error.strerror:
        say_error(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
        return FAILED
    if isinstance(error, sqlite3.Error):
        say_error(f"the database failed: {error}")
        return FAILED
    return _report_ours(error)


def _report_ours(error: Exception) -> int:
    # Here, since it imports the database: an error of ours has done so before.
    from ....state.errors import InvalidInput, NotFound, ThreadTaken, VoicegraphError

    if not isinstance(error, VoicegraphError):
        say_error(f"{type(error).__name__}: {error} (voicegraph --verbose ... shows where)")
        return FAILED
    say_error(str(error))
    return WRONG_USAGE if isinstance(error, InvalidInput | NotFound | ThreadTaken) else FAILED
