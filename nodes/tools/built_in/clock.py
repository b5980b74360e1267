"""The built-in clock: the model has no other way to know what day it is."""

from datetime import datetime

from ....state.tables.time_zones import time_zone
from ..registry import current_call


def current_time() -> str:
    """Return today's date, the day of the week and the time where the user is."""
    zone = time_zone(current_call().time_zone)
    now = datetime.now(zone)
    return f"{now:%A}, {now.day} {now:%B %Y}, {now:%H:%M} ({zone})"
