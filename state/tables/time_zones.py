"""Find time zones by name, also on machines without time zone data."""

import logging
from datetime import UTC, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

log = logging.getLogger(__name__)


@lru_cache(maxsize=512)
def time_zone(name: str) -> tzinfo:
    """Return the time zone of this name, or UTC if it cannot be found, which is logged once.

    A wrong hour must not fail a turn: this machine's data may be missing or older than the name.
    """
    if name == "UTC":
        return UTC  # Needs no time zone data.
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        log.warning(
            "the time zone cannot be found, UTC is used: install the package tzdata, or change the agent",
            extra={"time_zone": name, "error": type(error).__name__},
        )
        return UTC
