"""Translate PostgreSQL's errors by their SQLSTATE codes, which do not depend on the language."""

from collections.abc import Iterator

from ..errors import DatabaseBusy, StorageError

_AWAY = "check that PostgreSQL is running and reachable, and try again"
# The longest matching prefix of a code counts. The flag says whether retrying may help.
_MEANINGS = {
    "08": (_AWAY, True),
    "25006": ("it is a read-only replica: use the URL of the primary", True),
    "28": ("check the user and password in its URL", False),
    "3D000": ("create it first: createdb", False),
    "40": ("try again", True),
    "42501": ("grant its user the missing privilege", False),
    "42P01": ("bring its tables up to date: voicegraph db upgrade", False),
    "42703": ("bring its tables up to date: voicegraph db upgrade", False),
    "53100": ("free some disk space on its server", False),
    "53": ("try again, or give the server more resources", True),
    "55P03": ("try again", True),
    "57014": ("try again", True),
    "57P": (_AWAY, True),
    "58": ("look into its server's log", False),
}
_OTHER = ("check it and try again", False)
_PUBLIC = {
    "08": "the database cannot be reached",
    "25006": "the database is read-only",
    "28": "the database refused the login",
    "42P01": "the tables of the database are not up to date",
    "42703": "the tables of the database are not up to date",
    "53100": "the disk of the database is full",
    "57P": "the database cannot be reached",
}
"""Reasons that any client may see."""
_TOO_MANY_CONNECTIONS = "53300"


def postgres_error(shown: str, cause: BaseException) -> StorageError | None:
    """Return the one-line error for a failure of PostgreSQL's driver, `None` for any other error.

    Only the primary part of the server's message is used: the detail holds values of rows.
    """
    # The driver is not imported: that would cost SQLite users 60 ms, and only a loaded driver raises its
    # errors.
    if type(cause).__module__.partition(".")[0] not in ("psycopg", "psycopg_pool"):
        return None
    code: str | None = getattr(cause, "sqlstate", None)
    reason = _reason(cause, code)
    if code is None and _is_about_the_connection(cause):
        code = _code_of_refusal(reason)
    if code == _TOO_MANY_CONNECTIONS:
        return DatabaseBusy(f"database {shown}: {reason}; raise max_connections, or run fewer processes")
    remedy, retryable = next((_MEANINGS[each] for each in _beginnings(code) if each in _MEANINGS), _OTHER)
    mapped = StorageError(f"database {shown}: {reason}; {remedy}")
    mapped.retryable = retryable
    mapped.public = next((_PUBLIC[each] for each in _beginnings(code) if each in _PUBLIC), mapped.public)
    return mapped


def _beginnings(code: str | None) -> Iterator[str]:
    """Yield the code and its prefixes, the longest first."""
    yield from (code[:size] for size in range(5, 1, -1)) if code else ()


def _reason(cause: BaseException, code: str | None) -> str:
    if code is not None and code.startswith("22"):
        return type(cause).__name__  # The message of a data error contains the data.
    diagnosis = getattr(cause, "diag", None)
    words: str = getattr(diagnosis, "message_primary", None) or str(cause) or type(cause).__name__
    return " ".join(words.split())[:200]


def _is_about_the_connection(cause: BaseException) -> bool:
    names = {kind.__name__ for kind in type(cause).__mro__}
    return bool(names & {"OperationalError", "InterfaceError"})


def _code_of_refusal(reason: str) -> str:
    """Return the matching code: for a refused connection the driver gives a message but no code."""
    signs = {
        "authentication failed": "28P01",
        'role "': "28000",
        "no pg_hba.conf entry": "28000",
        "does not exist": "3D000",
        "too many clients": _TOO_MANY_CONNECTIONS,
        "remaining connection slots": _TOO_MANY_CONNECTIONS,
        "too many connections": _TOO_MANY_CONNECTIONS,
    }
    return next((code for sign, code in signs.items() if sign in reason), "08006")
