"""How PostgreSQL is reached without SQLAlchemy: for checkpoints, locks and notices."""

from .location import Location

CONNECT_WITHIN = 5
"""Longest wait for a new connection, in seconds."""


def conninfo(location: Location) -> str:
    """Return what PostgreSQL's own library takes to connect; it holds the password."""
    return location.engine_url.set(drivername="postgresql").render_as_string(hide_password=False)
