"""The turns of a thread: interrupt a running one, resume one that a crash cut off, list checkpoints."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot
from pydantic import BaseModel, Field

from ....nodes.turn.events import Event, Speech, TurnFailed, TurnFinished
from ....state.agents.actors import Actor
from ....state.conversations.threads import Thread
from ....state.errors import InvalidInput, ModelError
from ...turns.run import interrupt, resume_turn
from ..access.auth import Acting
from ..access.key_first import KeyFirst
from ..errors import RETRY_AFTER, ApiError
from ..operation.metrics import Metrics
from .schemas import Body, Entry, Page, Paging, Serving, ThreadId, Words, errors, page_of

router = APIRouter(prefix="/v1/threads/{thread_id:path}", tags=["turns"], route_class=KeyFirst)


class Heard(Body):
    """How much of the reply the caller heard."""

    heard: Annotated[Words, Field(max_length=100_000)] | None = Field(
        None, description="The part of the reply that was heard, from its start; null for all that was sent."
    )


class Interrupted(BaseModel):
    """The result of an interruption."""

    object: Literal["thread.interrupted"] = "thread.interrupted"
    thread_id: str
    was_running: bool = Field(description="Whether a turn was running; it has ended.")


class Tokens(BaseModel):
    """Tokens of a turn; cached ones count as input too."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int


class TurnOutcome(BaseModel):
    """How a turn ended."""

    object: Literal["thread.turn"] = "thread.turn"
    id: str = Field(description="The turn's id.")
    thread_id: str
    status: Literal["finished", "failed"]
    finish_reason: str | None = Field(description="Null if it failed.")
    error: str | None = Field(description="The error code if it failed.")
    text: str = Field(description="The rest of the reply.")
    usage: Tokens
    steps: int
    seconds: float


class ShownCheckpoint(Entry):
    """A point between two steps, from which a turn can be resumed."""

    object: Literal["thread.checkpoint"] = "thread.checkpoint"
    step: int | None
    created_at: str | None
    next: list[str] = Field(description="The next steps; empty at the end of a turn.")


@router.post("/interrupt", summary="Interrupt the reply", responses=errors(404))
async def interrupt_thread(
    thread_id: ThreadId, actor: Acting, graph: Serving, body: Heard | None = None
) -> Interrupted:
    """Stop the reply and store what was heard of it, even if it was sent completely and is still playing."""
    await graph.resources.store.threads.get(actor, thread_id)
    heard = body.heard if body else None
    was_running = await interrupt(graph, thread_id, heard, actor=actor)
    return Interrupted(thread_id=thread_id, was_running=was_running)


@router.post("/resume", summary="Resume a turn that a crash cut off", responses=errors(404, 409))
async def resume_thread(request: Request, thread_id: ThreadId, actor: Acting, graph: Serving) -> TurnOutcome:
    """Resume the turn where it was cut off and return its outcome; 409 if there is nothing to resume."""
    if request.app.state.draining:
        raise ApiError(503, "the server is shutting down: try again", code="draining", headers=RETRY_AFTER)
    thread = await graph.resources.store.threads.get(actor, thread_id)
    events = resume_turn(graph, _config(actor, thread))
    return await _outcome(events, thread_id, request.app.state.metrics)


@router.get("/checkpoints", summary="List the checkpoints", responses=errors(404))
async def list_checkpoints(
    thread_id: ThreadId, actor: Acting, graph: Serving, paging: Paging
) -> Page[ShownCheckpoint]:
    """List the stored checkpoints of a thread, newest first."""
    thread = await graph.resources.store.threads.get(actor, thread_id)
    # Few are stored, and all are read at once: reading them slowly would block a running turn.
    kept = [_checkpoint(state) async for state in graph.aget_state_history(_config(actor, thread))]
    if paging.after is not None:
        ids = [checkpoint.id for checkpoint in kept]
        if paging.after not in ids:
            raise InvalidInput("`after` is not an id of this list: start again without it")
        kept = kept[ids.index(paging.after) + 1 :]
    return page_of(kept[: paging.limit], lambda checkpoint: checkpoint, more=len(kept) > paging.limit)


async def _outcome(events: AsyncGenerator[Event], thread_id: str, metrics: Metrics) -> TurnOutcome:
    words: list[str] = []
    last: TurnFinished | TurnFailed | None = None
    async with aclosing(events):
        async for event in events:
            metrics.note(event)
            if isinstance(event, Speech):
                words.append(event.content)
            if isinstance(event, TurnFinished | TurnFailed):
                last = event
    if last is None:
        raise ModelError("the turn ended without a result")
    return TurnOutcome(
        id=last.turn_id,
        thread_id=thread_id,
        status="finished" if isinstance(last, TurnFinished) else "failed",
        finish_reason=last.finish_reason if isinstance(last, TurnFinished) else None,
        error=last.error if isinstance(last, TurnFailed) else None,
        text="".join(words),
        usage=Tokens(**last.usage),
        steps=last.steps,
        seconds=last.seconds,
    )


def _config(actor: Actor, thread: Thread) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": thread.id,
            "organization": actor.organization_id,
            "user": actor.user_id,
            "agent": thread.agent_name,
        }
    }


def _checkpoint(state: StateSnapshot) -> ShownCheckpoint:
    return ShownCheckpoint(
        id=state.config.get("configurable", {})["checkpoint_id"],
        step=(state.metadata or {}).get("step"),
        created_at=state.created_at,
        next=list(state.next),
    )
