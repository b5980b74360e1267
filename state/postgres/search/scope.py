"""The rows that a search on PostgreSQL covers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from ...agents.ownership import numbers_of

TABLES = {"messages": "recall", "passages": "archive"}
"""Prefix of the index's table names for each searched table."""


@dataclass(slots=True)
class Scope:
    """The rows of `table` that belong to the agent with this number and meet the conditions.

    Conditions refer to the row as `row`.
    """

    connection: Connection
    table: str
    agent: int
    conditions: list[str] = field(default_factory=list[str])
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        self.values["first"], self.values["last"] = numbers_of(self.agent)

    def add(self, condition: str, **values: Any) -> None:
        """Add a condition with its values."""
        self.conditions.append(condition)
        self.values |= values

    @property
    def entries(self) -> str:
        """The name of the table of entries."""
        return f"{TABLES[self.table]}_entries"

    @property
    def vectors(self) -> str:
        """The name of the table of vectors."""
        return f"{TABLES[self.table]}_vectors"

    def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Return the rows of a statement, which may use the scope's values and `values`."""
        return self.connection.execute(text(statement), {**self.values, **(values or {})}).all()
