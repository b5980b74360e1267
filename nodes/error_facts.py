"""What a line of the log may tell of an error: its code, its cause if that is safe, and its place."""

from ..state.errors import ModelError, StorageError, VoicegraphError


def error_facts(error: BaseException) -> dict[str, str]:
    """Return the fields `error`, `cause` and `at` for a record of the log.

    `cause` is the text of our own errors of models and databases, which hold nothing that was said; any
    other exception may quote a caller, so only its kind is told.
    """
    code = error.code if isinstance(error, VoicegraphError) else type(error).__name__
    facts = {"error": code, "at": _place(error)}
    if isinstance(error, ModelError | StorageError):
        facts["cause"] = str(error)
    return facts


def _place(error: BaseException) -> str:
    """Return the file and line where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
