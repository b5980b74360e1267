"""Column types that store and give back the same values on SQLite and PostgreSQL."""

import json
import math
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import JSON, BigInteger, DateTime, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


def utc_now() -> datetime:
    """Return the present instant, aware and in UTC."""
    return datetime.now(UTC)


class Instant(TypeDecorator[datetime]):
    """An aware instant, kept in UTC; SQLite, which knows no time zones, keeps the naive UTC time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an instant of any time zone into UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def as_stored(instant: datetime) -> str:
    """Return the text that SQLite keeps of an instant, for statements that are not SQLAlchemy's."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def from_stored(text: str) -> datetime:
    """Return the instant of which SQLite keeps `text`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def encodable(text: str) -> str:
    """Return `text` with U+FFFD for what UTF-8 cannot hold."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def storable(text: str) -> str:
    """Return `text` with U+FFFD for what PostgreSQL cannot hold: what UTF-8 cannot, and NUL."""
    return encodable(text).replace("\0", "\ufffd")


class Words(TypeDecorator[str]):
    """Text of any length and any characters.

    Half a surrogate pair, which models do send, cannot be encoded: it becomes U+FFFD, since losing the
    whole turn for it would be worse. On PostgreSQL the same becomes of a NUL character.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace what UTF-8 cannot hold, or what PostgreSQL cannot."""
        if value is None:
            return None
        return storable(value) if dialect.name == "postgresql" else encodable(value)


Plain = JSON(none_as_null=True)
"""Lists and dicts of plain data; `None` is SQL's NULL."""


def json_for_postgres(value: Any) -> str:
    """Return plain data as JSON that PostgreSQL can hold and search.

    Its strings are `storable` then. What is no number in JSON (NaN, infinities) becomes null, which SQLite
    keeps: losing the whole turn for it would be worse.
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
"""64 bits; on SQLite only a column of type INTEGER is the row id itself."""

PlainDict = dict[str, Any]
PlainList = list[dict[str, Any]]
