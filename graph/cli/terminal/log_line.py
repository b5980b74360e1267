"""Format a log record as one line: time, level, logger, message and fields.

The text of an exception and the arguments of a library's message may contain callers' words. Neither is
written above DEBUG: an exception is logged as its type and the places that it passed through.
"""

import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from types import TracebackType

_STANDARD = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message", "taskName"}
)  # Attributes that every record has.
_FIRST = ("thread_id", "agent", "model", "error")
_PLACES = ("where", "at")
_LIBRARIES = frozenset(
    "alembic anyio asyncio concurrent fastapi h11 hpack httpcore httptools httpx httpx2 "
    "langchain langchain_core langchain_openai langgraph langsmith mcp openai psycopg py sqlalchemy "
    "starlette urllib3 uvicorn uvloop websockets".split()
)
"""Their messages may quote the data they handle, so only the constant part is written."""
_DEEPEST = 30


class LogLine(logging.Formatter):
    """Formats records for people and for log collectors."""

    def __init__(self, facts: Callable[[], Mapping[str, str]]) -> None:
        """Add the values of `facts`, called for each record, about the turn that it belongs to."""
        super().__init__()
        self._facts = facts

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line; the places that an exception passed through follow, indented."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = " ".join(f"{name}={_shown(value)}" for name, value in _fields(record, self._facts()))
        line = f"{time} {record.levelname} {record.name}: {_message(record)} {fields}"
        if record.levelno <= logging.DEBUG:
            return "\n".join([line, self.formatException(record.exc_info)] if record.exc_info else [line])
        return "\n  ".join([line, *_trace(record)])


def _message(record: logging.LogRecord) -> str:
    """Return the message in one line."""
    foreign = record.name.partition(".")[0] in _LIBRARIES and record.levelno > logging.DEBUG
    text = str(record.msg) if foreign else record.getMessage()
    return (text.strip() or "-").splitlines()[0] if foreign else " ".join(text.split())


def _fields(record: logging.LogRecord, facts: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD and value != ""}
    known: dict[str, object] = {**facts, **extra}
    if "error" not in known and record.exc_info and record.exc_info[1] is not None:
        known["error"] = _code(record.exc_info[1])
    place = next((known.pop(name) for name in _PLACES if name in known), None)
    for name in _FIRST:
        if name in known:
            yield name, known.pop(name)
    yield from known.items()
    yield "place", _short(str(place)) if place else f"{_short(record.pathname)}:{record.lineno}"


def _code(error: BaseException) -> str:
    """Return the code of one of our errors, or the class name of any other."""
    ours = type(error).__module__.startswith("voicegraph.")
    return str(getattr(error, "code", "")) if ours else type(error).__name__


def _shown(value: object) -> str:
    """Return a value as one word, or quoted."""
    text = str(value)
    plain = text.isascii() and text.isprintable() and not set(text) & set(' "=')
    return text if plain and text else json.dumps(text)


def _short(path: str) -> str:
    """Return the last folder and file of a path, with a line number that follows."""
    return "/".join(PurePath(path).parts[-2:])


def _trace(record: logging.LogRecord) -> Iterator[str]:
    """Yield the places that an exception and its causes passed through, without their texts."""
    error = record.exc_info[1] if record.exc_info else None
    for _ in range(_DEEPEST):
        if error is None:
            return
        yield f"{type(error).__module__}.{type(error).__qualname__} at"
        yield from _frames(error.__traceback__)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    for frame in traceback.extract_tb(trace)[-_DEEPEST:]:
        yield f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}"
