"""The owner of threads that resources opened, by its kind."""

from voicegraph.graph import Resources
from voicegraph.graph.threads.local_owner import LocalOwner
from voicegraph.graph.threads.postgres_owner import PostgresOwner


def postgres_owner(resources: Resources) -> PostgresOwner:
    """Return the owner of resources on PostgreSQL."""
    assert isinstance(resources.owner, PostgresOwner)
    return resources.owner


def local_owner(resources: Resources) -> LocalOwner:
    """Return the owner of resources on SQLite."""
    assert isinstance(resources.owner, LocalOwner)
    return resources.owner
