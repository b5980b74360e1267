"""Column types that return the same values on SQLite and PostgreSQL."""

import json
import math
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, DateTime, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


def utc_now() -> datetime:
    """Return the current time, aware and in UTC."""
    return datetime.now(UTC)


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored in UTC; SQLite has no time zones and stores naive UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert an instant of any time zone to UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def as_stored(instant: datetime) -> str:
    """Return the text that SQLite stores for an instant, for raw SQL statements."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def from_stored(text: str) -> datetime:
    """Return the instant for which SQLite stores `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def encodable(text: str) -> str:
    """Return `text` with U+FFFD for what UTF-8 cannot encode."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def storable(text: str) -> str:
    """Return `text` with U+FFFD for what PostgreSQL cannot store: NUL and what UTF-8 cannot encode."""
    return encodable(text).replace("\0", "\ufffd")


class StorableText(TypeDecorator[str]):
    """Text of any length and any characters.

    Half a surrogate pair, which models do send, cannot be encoded. It becomes U+FFFD, because losing the
    whole turn for it would be worse. On PostgreSQL a NUL character becomes U+FFFD too.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what UTF-8, or PostgreSQL, cannot store."""
        if value is None:
            return None
        return storable(value) if dialect.name == "postgresql" else encodable(value)


Plain = JSON(none_as_null=True)
"""Lists and dicts of plain data; `None` is SQL's NULL."""


def json_for_postgres(value: Any) -> str:
    """Return plain data as JSON that PostgreSQL can store and search.

    Its strings become `storable`. NaN and infinities, which are not JSON numbers but which SQLite stores,
    become null: losing the whole turn for one would be worse.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = "\\u0000"
    if "\\u0000" in text or encodable(text) is not text:
        text = json.dumps(_storable_data(value), ensure_ascii=False)
    return text


def _storable_data(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case dict():
            pairs = cast("dict[Any, Any]", value).items()
            return {_storable_data(name): _storable_data(each) for name, each in pairs}
        case list() | tuple():
            return [_storable_data(each) for each in cast("list[Any]", value)]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


RowNumber = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits; on SQLite only a column of type INTEGER is the row id."""

PlainDict = dict[str, Any]
PlainList = list[dict[str, Any]]
