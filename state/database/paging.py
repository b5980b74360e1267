"""Keyset pagination: pages stay consistent while entries are added or deleted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, TypeVarTuple

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from ..errors import InvalidInput

T = TypeVar("T")
Columns = TypeVarTuple("Columns")
MOST_ENTRIES = 100
"""Maximum number of entries of a page."""


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Consecutive entries of a list, and whether more follow."""

    entries: tuple[T, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """The requested page: at most `limit` entries, following the one with the id `after`."""

    limit: int = 20
    after: str | None = None

    def check(self) -> None:
        """Raise `InvalidInput` for a limit outside 1 to 100."""
        if not 1 <= self.limit <= MOST_ENTRIES:
            raise InvalidInput(f"the limit must be between 1 and {MOST_ENTRIES}, it is {self.limit}")


def page_of_rows(
    session: Session,
    query: Select[*Columns],
    request: PageRequest,
    made: Callable[[Any], T],
    *,
    order: Sequence[InstrumentedAttribute[Any]],
    by: ColumnElement[Any] | InstrumentedAttribute[Any],
    newest_first: bool = False,
) -> Slice[T]:
    """Return the page of `query`, with `made` applied to each row.

    `order` lists the columns to sort by, which together are unique. `by` is the column of the ids. Raises
    `InvalidInput` if the list has no entry `request.after`.
    """
    request.check()
    page = query
    if request.after is not None:
        anchor = session.execute(query.with_only_columns(*order).where(by == request.after)).first()
        if anchor is None:
            raise InvalidInput("`after` is not an id of this list: start again without it")
        page = query.where(_is_after(order, anchor, newest_first=newest_first))
    columns = [column.desc() if newest_first else column for column in order]
    rows = session.execute(page.order_by(*columns).limit(request.limit + 1)).all()
    return Slice(tuple(made(row) for row in rows[: request.limit]), len(rows) > request.limit)


def _is_after(
    order: Sequence[InstrumentedAttribute[Any]], anchor: Sequence[Any], *, newest_first: bool
) -> Any:
    """Return the condition that a row comes after `anchor` in the order of the columns."""
    pairs = list(zip(order, anchor, strict=True))
    ways = [
        and_(
            *(column == value for column, value in pairs[:place]),
            pairs[place][0] < pairs[place][1] if newest_first else pairs[place][0] > pairs[place][1],
        )
        for place in range(len(pairs))
    ]
    return or_(*ways)
