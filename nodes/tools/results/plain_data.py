"""Convert any Python value to plain JSON data, without errors, endless output or memory addresses."""

import dataclasses
import math
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel

from ..failures import Unsupported

_DEEPEST = 40
_EACH = 10
"""Cost of each value in characters, in addition to its text, for the time it takes."""
_LONGEST_NUMBER = 4096
"""Maximum bits of an integer that is written out: Python refuses much longer ones."""
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{4,}")
_MORE = "…"


class PlainData:
    """Turns one value into plain data; the excess over `characters` is replaced by an ellipsis."""

    def __init__(self, characters: int) -> None:
        self._left = characters
        self._open: set[int] = set()

    def of(self, value: Any) -> Any:
        """Return the value as JSON data. Raises only `Unsupported`."""
        self._left -= _EACH
        if value is None or value is True or value is False:
            return value
        if id(value) in self._open or len(self._open) >= _DEEPEST or self._left <= 0:
            return _MORE
        self._open.add(id(value))
        try:
            return self._of(value)
        except Unsupported:
            raise
        except Exception:  # A property, `__str__` or an iterator of an unknown class.
            return words_for(value)
        finally:
            self._open.discard(id(value))

    def _of(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return self.of(value.value)
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, bytes | bytearray | memoryview):
            return self._text(text_of_bytes(bytes(cast(bytes, value))))
        if isinstance(value, Integral):
            number = int(value)
            return number if number.bit_length() <= _LONGEST_NUMBER else words_for(value)
        if isinstance(value, Real):
            return number if math.isfinite(number := float(value)) else str(number)
        if isinstance(value, date | time | timedelta):
            return value.isoformat() if not isinstance(value, timedelta) else str(value)
        if isinstance(value, Decimal | UUID | PurePath | complex):
            return self._text(str(value))
        fields = fields_of(value)
        if fields is not None:
            return self._record(fields)
        if isinstance(value, Collection):
            return self._items(cast(Collection[Any], value))
        return self._text(_shown(value))

    def _text(self, text: str) -> str:
        if len(text) > self._left:
            text = f"{text[: max(0, self._left)]}{_MORE}"
        self._left -= len(text)
        return text

    def _record(self, fields: Mapping[Any, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in fields.items():
            name = self.of(key)
            result[name if isinstance(name, str) else str(name)] = self.of(value)
            if self._left <= 0:
                break
        return result

    def _items(self, items: Iterable[Any]) -> list[Any]:
        result: list[Any] = []
        for item in items:
            result.append(self.of(item))
            if self._left <= 0:
                break
        return result


def fields_of(value: Any) -> Mapping[Any, Any] | None:
    """Return the fields of a record by name, `None` for anything else."""
    if isinstance(value, Mapping):
        return cast(Mapping[Any, Any], value)
    if isinstance(value, BaseModel):
        return value.model_dump(warnings=False)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name, None) for each in dataclasses.fields(value)}
    for name in ("_asdict", "model_dump", "to_dict", "dict"):  # Named tuples, pandas, pydantic 1.
        if callable(method := getattr(value, name, None)) and not isinstance(value, type):
            found = method()
            return cast(Mapping[Any, Any], found) if isinstance(found, Mapping) else None
    return None


def text_of_bytes(data: bytes) -> str:
    """Return bytes decoded if they are text, else a description with their number."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"[binary, {len(data):,} bytes]"
    return f"[binary, {len(data):,} bytes]" if "\x00" in text else text


def words_for(value: object) -> str:
    """Return a description of a value that cannot be shown."""
    return f"[an object of type {type(value).__name__}]"


def _shown(value: Any) -> Any:
    """Return the text of an object whose class defines one."""
    kind = cast(type[Any], type(value))
    if isinstance(value, type) or callable(value):
        return words_for(value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        return words_for(value)
    text = str(value)
    return words_for(value) if _ADDRESS.search(text) else text
