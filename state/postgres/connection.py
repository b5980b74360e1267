"""Connection parameters for PostgreSQL."""

from typing import Any

from sqlalchemy import URL

from ..database.location import Location

_PARAMETERS: dict[str, Any] = {
    "application_name": "voicegraph",
    "connect_timeout": 5,
    # A network that drops packets is noticed within half a minute, not after hours.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def connection_arguments(url: URL) -> dict[str, Any]:
    """Return the driver's connection arguments, except those set in `url`.

    Prepared statements are off: behind a pooler the next statement may use another connection.
    """
    given = {name: value for name, value in _PARAMETERS.items() if name not in url.query}
    return {**given, "prepare_threshold": None}


def conninfo(location: Location) -> str:
    """Return the connection string for the driver, without SQLAlchemy; it contains the password."""
    return location.engine_url.set(drivername="postgresql").render_as_string(hide_password=False)
