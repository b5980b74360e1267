"""How PostgreSQL is connected to."""

from typing import Any

from sqlalchemy import URL

from ..database.location import Location

_PARAMETERS: dict[str, Any] = {
    "application_name": "voicegraph",
    "connect_timeout": 5,
    # Whoever is behind a network that swallows packets learns it within half a minute, not in hours.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def connection_arguments(url: URL) -> dict[str, Any]:
    """Return the driver's arguments for a connection, without those that `url` gives itself.

    No statement is prepared on the server: behind a pooler the next one may come to another connection.
    """
    given = {name: value for name, value in _PARAMETERS.items() if name not in url.query}
    return {**given, "prepare_threshold": None}


def conninfo(location: Location) -> str:
    """Return what the driver takes to connect without SQLAlchemy; it holds the password."""
    return location.engine_url.set(drivername="postgresql").render_as_string(hide_password=False)
