"""Check an agent's settings before they are stored."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from ..errors import InvalidSetting
from .agent_rows import AgentSettings, as_columns


async def checked_time_zone(name: str) -> str:
    """Return `name` if it is an IANA time zone. Raises `InvalidSetting`."""
    if name == "UTC":
        return name
    try:
        # Reads a file.
        await asyncio.to_thread(ZoneInfo, name)
    except (LookupError, ValueError, OSError):
        raise InvalidSetting(f"unknown time zone {name!r}: use an IANA name such as Europe/Paris") from None
    return name


async def checked_changes(changes: AgentSettings) -> dict[str, Any]:
    """Return settings of an agent as the table takes them, or raise `InvalidSetting`."""
    if "time_zone" in changes:
        await checked_time_zone(changes["time_zone"])
    if "model_settings" in changes:
        checked_settings(changes["model_settings"])
    return as_columns(changes)


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the model settings as a plain dict. Raises `InvalidSetting` if they cannot be stored."""
    try:
        json.dumps(plain := dict(settings), allow_nan=False)
        orjson.dumps(plain)  # Refuses integers of more than 64 bits, which a checkpoint cannot store.
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSetting(f"the model settings cannot be stored as JSON: {error}") from None
    return plain
