"""Report a command's failure in one line and map it to an exit code."""

import logging
import sys
from contextlib import suppress

import typer

FAILED = 1
"""The turn, the model or the database failed."""
WRONG_USAGE = 2
"""The command cannot be run as given."""
INTERRUPTED = 130
"""Ended by Ctrl-C (128 + SIGINT)."""

log = logging.getLogger(__name__)


def say_error(message: str) -> None:
    """Write one line to stderr."""
    with suppress(OSError):
        sys.stdout.flush()
    with suppress(OSError):
        sys.stderr.write(f"voicegraph: {' '.join(message.split())}\n")
        sys.stderr.flush()


def report(error: Exception) -> int:
    """Report the error and return the exit code; `--verbose` logs the traceback."""
    log.debug("the command failed", exc_info=error)
    if isinstance(error, typer.TyperException):
        command = getattr(getattr(error, "ctx", None), "command_path", "voicegraph")
        say_error(f"{error.format_message().rstrip('.')} (see {command} --help)")
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return FAILED  # The reader of the pipe has left.
    if isinstance(error, OSError) and error.strerror:
        say_error(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
        return FAILED
    return _report_ours(error)


def _report_ours(error: Exception) -> int:
    # A late import: it loads the database, which an error of ours has already done.
    from ....state.errors import InvalidInput, NotFound, ThreadTaken, VoicegraphError

    if not isinstance(error, VoicegraphError):
        say_error(f"{type(error).__name__}: {error} (voicegraph --verbose ... shows where)")
        return FAILED
    say_error(str(error))
    return WRONG_USAGE if isinstance(error, InvalidInput | NotFound | ThreadTaken) else FAILED
