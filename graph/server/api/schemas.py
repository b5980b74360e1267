"""Schemas that several routes share: checked texts, pages, errors."""

from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from ....state.database.paging import MOST_ENTRIES, PageRequest, Slice
from ....state.store import Store
from ...turns.turn_graph import TurnGraph

T = TypeVar("T")


def storable(text: str) -> str:
    """Return `text`, or raise `ValueError` for characters that databases or providers refuse."""
    if "\0" in text:
        raise ValueError("it contains a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it holds half a surrogate pair") from None
    return text


def _instant(time: AwareDatetime) -> AwareDatetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is out of range") from None


Words = Annotated[str, AfterValidator(storable)]
Instant = Annotated[AwareDatetime, AfterValidator(_instant)]
AgentRef = Annotated[str, AfterValidator(storable), Path(description="The agent's name or id.")]
BlockId = Annotated[str, AfterValidator(storable), Path(description="The block's id.")]
ThreadId = Annotated[
    str, AfterValidator(storable), Path(description="The thread's id; it may contain slashes.")
]


class Body(BaseModel):
    """A request body; unknown fields are rejected, so that a misspelt one is not ignored silently."""

    model_config = ConfigDict(extra="forbid")


class Entry(BaseModel):
    """An entry of a list; `model_validate` builds it from a repository's object, field by field."""

    model_config = ConfigDict(from_attributes=True)

    id: str


Shown = TypeVar("Shown", bound=Entry)


class Page(BaseModel, Generic[T]):
    """A page of a list. Pass `last_id` as `after` to get the next page."""

    object: Literal["list"] = "list"
    data: list[T]
    first_id: str | None = Field(description="The id of the first entry; null on an empty page.")
    last_id: str | None = Field(description="The id of the last entry; null on an empty page.")
    has_more: bool = Field(description="Whether more entries follow.")


class Deleted(BaseModel):
    """What was deleted."""

    id: str
    object: str
    deleted: Literal[True] = True


class ErrorDetail(BaseModel):
    """The error: `code` is for programs, `param` names the invalid field."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """The answer to a request that failed."""

    error: ErrorDetail


def page_of(entries: Iterable[T], shown: Callable[[T], Shown], *, more: bool) -> Page[Shown]:
    """Return entries as a page for the client."""
    data = [shown(entry) for entry in entries]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return Page(data=data, first_id=first, last_id=last, has_more=more)


def page_of_slice(part: Slice[T], shown: Callable[[T], Shown]) -> Page[Shown]:
    """Return a repository's slice as a page for the client."""
    return page_of(part.entries, shown, more=part.more)


_WHAT = {
    400: "The request is not valid.",
    401: "No key, or not a valid one.",
    404: "It does not exist, or it belongs to another user.",
    409: "Conflict: it was changed in between, the name is taken, or a turn is running.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "A value is not valid.",
    429: "Too many requests.",
    503: "The memory or the model cannot be reached now.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of these errors and of those that every route may return."""
    every = sorted({*statuses, 400, 401, 422, 429, 503})
    return {status: {"model": ErrorAnswer, "description": _WHAT[status]} for status in every}


def _page_request(
    limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES, description="Maximum number of entries.")] = 20,
    after: Annotated[
        Words | None, Query(description="Start after the entry with this id: `last_id` of the previous page.")
    ] = None,
) -> PageRequest:
    return PageRequest(limit=limit, after=after)


def _graph(request: Request) -> TurnGraph:
    return request.app.state.graph


def _store(request: Request) -> Store:
    return request.app.state.graph.resources.store


Paging = Annotated[PageRequest, Depends(_page_request)]
"""A parameter of a route: the requested page."""
Serving = Annotated[TurnGraph, Depends(_graph)]
"""A parameter of a route: the graph that is served."""
Memory = Annotated[Store, Depends(_store)]
"""A parameter of a route: the store of the graph that is served."""
