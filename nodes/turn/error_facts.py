"""Safe log fields of an error: its code, its cause if that is safe, and its place."""

import os
import traceback
from pathlib import Path

from ...state.errors import ModelError, StorageError, VoicegraphError

_OURS = tuple(str(Path(__file__).parents[2] / name) + os.sep for name in ("graph", "nodes", "state"))
_MAPPING = ("faults.py", "database.py", "file_connection.py", "uninterrupted.py")
"""Files that every database error passes through; the caller shows what was being stored."""


def error_facts(error: BaseException) -> dict[str, str]:
    """Return the fields `error`, `cause` and `at` for a log record.

    `cause` is the text of our own model and database errors, which contain nothing that was said; any other
    exception may quote a caller, so only its type is given.
    """
    code = error.code if isinstance(error, VoicegraphError) else type(error).__name__
    facts = {"error": code, "at": _place(error)}
    if isinstance(error, ModelError | StorageError):
        facts["cause"] = str(error)
    return facts


def _place(error: BaseException) -> str:
    """Return the innermost place in our own code, or where the error was raised if there is none."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [place for place in places if place[0].startswith(_OURS) and not place[0].endswith(_MAPPING)]
    return "{}:{}".format(*(ours or places)[-1]) if places else "?"
