"""Searches: a query may quote a caller, so it comes in the body and appears in no URL and no log."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter
from pydantic import Field

from ....state.search.recall import RecallHit
from ....state.search.search import MOST_HITS
from ....state.search.search import Page as Hits
from ..access.auth import Acting
from ..access.key_first import KeyFirst
from ..errors import ApiError
from .schemas import AgentRef, Body, Entry, Instant, Memory, Page, Shown, Words, errors, page_of

T = TypeVar("T")

router = APIRouter(prefix="/v1", tags=["search"], route_class=KeyFirst)

_DIGITS = 6


class Search(Body):
    """A search."""

    query: Words = Field(
        "", max_length=10_000, description="Plain words; empty lists everything, newest first."
    )
    start: Instant | None = Field(None, description="Not before this time.")
    end: Instant | None = Field(None, description="Before this time.")
    order: Literal["best", "newest"] = "best"
    limit: Annotated[int, Field(ge=1, le=MOST_HITS)] = 10
    after: str | None = Field(None, description="`next` of the previous page.")


class RecallSearch(Search):
    """A search of the conversations."""

    role: Literal["user", "assistant"] | None = Field(None, description="Only messages of this role.")
    thread_id: Words | None = Field(None, description="Only in this thread.")


class FoundPage(Page[T]):
    """A page of hits. Pass `next` as `after` to get the next page."""

    next: str | None = Field(description="Null when nothing follows.")


class ShownWords(Entry):
    """A message as it was said."""

    thread_id: str
    role: str
    speaker: str = Field(description="The speaker's name if known, else the role.")
    text: str
    created_at: datetime


class FoundWords(ShownWords):
    """A message that was found, with those around it; a higher score is a better match."""

    object: Literal["search.hit"] = "search.hit"
    score: float
    before: list[ShownWords]
    after: list[ShownWords]


@router.post("/agents/{agent}/search", summary="Search the conversations", responses=errors(404))
async def search_messages(
    agent: AgentRef, body: RecallSearch, actor: Acting, store: Memory
) -> FoundPage[FoundWords]:
    """Search the agent's messages in all threads or one. A message can be found shortly after its turn."""
    agent_id = (await store.agents.get(actor, agent)).id
    page = await store.recall.search(
        actor,
        agent_id,
        body.query,
        start=body.start,
        end=body.end,
        role=body.role,
        thread_id=body.thread_id,
        order=body.order,
        limit=body.limit,
        offset=offset_of(body.after),
    )
    return found_page(page, _found)


def offset_of(after: str | None) -> int:
    """Return the offset of the page that `after` names, or raise `ApiError` 400."""
    if after is None:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= _DIGITS):
        raise ApiError(
            400, "`after` is not the `next` of a page: start again without it", code="invalid_cursor"
        )
    return int(after)


def found_page(page: Hits[T], shown: Callable[[T], Shown]) -> FoundPage[Shown]:
    """Return hits as a page for the client."""
    next_offset = page.next_offset
    more = next_offset is not None and len(str(next_offset)) <= _DIGITS
    plain = page_of(page.hits, shown, more=more)
    return FoundPage(**dict(plain), next=str(next_offset) if more else None)


def _found(hit: RecallHit) -> FoundWords:
    return FoundWords(
        **ShownWords.model_validate(hit.message).model_dump(),
        score=hit.score,
        before=[ShownWords.model_validate(words) for words in hit.before],
        after=[ShownWords.model_validate(words) for words in hit.after],
    )
