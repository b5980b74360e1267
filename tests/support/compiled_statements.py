"""SQLAlchemy's compiled statements, kept for all engines of a test process.

Each test opens engines of its own, and compiling the statements of a turn takes longer than the turn.
"""

from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache


def share_compiled_statements() -> None:
    """Make engines of one dialect use one cache from now on."""
    cache: LRUCache[Any, Any] = LRUCache(5000)
    patch = pytest.MonkeyPatch()
    # A dialect is part of the cache's keys, by its identity. Those of one kind are for equal servers here.
    patch.setattr(DefaultDialect, "__hash__", lambda dialect: hash(type(dialect)))
    patch.setattr(DefaultDialect, "__eq__", lambda dialect, other: type(dialect) is type(other))
    patch.setattr(
        Engine, "_compiled_cache", property(lambda engine: cache, lambda engine, own: None), raising=False
    )
