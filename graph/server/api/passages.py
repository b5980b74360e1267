"""Passages: the texts in an agent's archive."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import AfterValidator, Field

from ....state.search.passages import PassageHit
from ..access.auth import Acting
from ..access.key_first import KeyFirst
from .schemas import (
    AgentRef,
    Body,
    Deleted,
    Entry,
    Memory,
    Page,
    Paging,
    Serving,
    Words,
    errors,
    page_of,
    page_of_slice,
    storable,
)
from .search import FoundPage, Search, found_page, offset_of

router = APIRouter(prefix="/v1", tags=["passages"], route_class=KeyFirst)

_Tags = Annotated[list[Annotated[Words, Field(max_length=200)]], Field(max_length=50)]


class NewPassage(Body):
    """A text to archive."""

    text: Words = Field(min_length=1, max_length=1_000_000)
    tags: _Tags = []
    context: Words | None = Field(None, max_length=1000, description="The source of the text.")


class PassageSearch(Search):
    """A search of the archive."""

    tags: _Tags = Field([], description="Only passages that have all these tags.")


class ShownPassage(Entry):
    """A passage of the archive."""

    id: str = Field(description="Begins with `passage-`.")
    object: Literal["passage"] = "passage"
    text: str
    context: str | None
    tags: list[str]
    created_at: datetime


class FoundPassage(ShownPassage):
    """A passage that was found; a higher score is a better match."""

    score: float


@router.post("/agents/{agent}/passages", status_code=201, summary="Archive a text", responses=errors(404))
async def create_passages(
    agent: AgentRef, body: NewPassage, actor: Acting, graph: Serving
) -> Page[ShownPassage]:
    """Store a text, split between sentences into passages of at most 1,000 characters."""
    store = graph.resources.store
    agent_id = (await store.agents.get(actor, agent)).id
    made = await store.passages.insert(actor, agent_id, body.text, tags=body.tags, context=body.context)
    graph.resources.indexing.wake()
    return page_of(made, ShownPassage.model_validate, more=False)


@router.get("/agents/{agent}/passages", summary="List the passages of an agent", responses=errors(404))
async def list_passages(agent: AgentRef, actor: Acting, store: Memory, paging: Paging) -> Page[ShownPassage]:
    """List the passages, newest first."""
    agent_id = (await store.agents.get(actor, agent)).id
    return page_of_slice(await store.passages.page(actor, agent_id, paging), ShownPassage.model_validate)


@router.post("/agents/{agent}/passages/search", summary="Search the archive", responses=errors(404))
async def search_passages(
    agent: AgentRef, body: PassageSearch, actor: Acting, store: Memory
) -> FoundPage[FoundPassage]:
    """Search the passages. A new passage can be found shortly after it is stored."""
    agent_id = (await store.agents.get(actor, agent)).id
    page = await store.passages.search(
        actor,
        agent_id,
        body.query,
        start=body.start,
        end=body.end,
        tags=body.tags,
        order=body.order,
        limit=body.limit,
        offset=offset_of(body.after),
    )
    return found_page(page, _found)


@router.delete("/passages/{passage_id}", summary="Delete a passage", responses=errors(404))
async def delete_passage(
    passage_id: Annotated[str, AfterValidator(storable), Path(description="The passage's id.")],
    actor: Acting,
    store: Memory,
) -> Deleted:
    """Delete one passage."""
    await store.passages.delete(actor, passage_id)
    return Deleted(id=passage_id, object="passage.deleted")


def _found(hit: PassageHit) -> FoundPassage:
    return FoundPassage(**ShownPassage.model_validate(hit.passage).model_dump(), score=hit.score)
