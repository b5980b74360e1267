"""`/v1/threads`: conversations and their messages."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field

from ....state.conversations.threads import Thread
from ..access.auth import Acting
from ..access.key_first import KeyFirst
from .forgetting import delete_thread_now
from .schemas import Deleted, Entry, Memory, Page, Paging, Serving, ThreadId, Words, errors, page_of_slice

router = APIRouter(prefix="/v1/threads", tags=["threads"], route_class=KeyFirst)


def _encodable(calls: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Return tool calls without unpaired surrogates, which models do write into arguments."""
    if calls is None:
        return None
    return json.loads(json.dumps(calls, ensure_ascii=False).encode("utf-8", "replace"))


class ShownThread(Entry):
    """A conversation."""

    object: Literal["thread"] = "thread"
    agent_id: str
    agent_name: str
    messages: int = Field(description="Number of messages.")
    created_at: datetime
    updated_at: datetime
    cut_off: bool = Field(description="Whether a crash cut the last turn off and nothing was said since.")


class ShownMessage(Entry):
    """A message as it is stored, whether in the model's window or not."""

    object: Literal["thread.message"] = "thread.message"
    thread_id: str
    turn_id: str
    role: Literal["user", "assistant", "tool", "system"]
    text: str = Field(description="For a reply, what was heard.")
    unheard: str | None = Field(description="The part of a reply that was not heard.")
    spoken: str | None = Field(
        description="Everything that was heard of a reply, if that differs from its text: announcements of "
        "tools and fillers are included."
    )
    tool_calls: Annotated[list[dict[str, Any]] | None, BeforeValidator(_encodable)]
    tool_call_id: str | None
    name: str | None
    status: str | None = Field(
        description="The outcome of a tool's result; `cut` for a reply that a crash cut off; `withdrawn` for "
        "a draft (a client's early guess at the caller's words) and its reply."
    )
    model: str | None
    usage: dict[str, Any] | None
    created_at: datetime
    evicted_at: datetime | None = Field(description="When it left the model's window.")


@router.get("", summary="List the threads", responses=errors(404))
async def list_threads(
    actor: Acting,
    store: Memory,
    paging: Paging,
    agent: Annotated[
        Words | None, Query(description="Only threads of the agent with this name or id.")
    ] = None,
) -> Page[ShownThread]:
    """List the threads, most recently created first."""
    agent_id = None if agent is None else (await store.agents.get(actor, agent)).id
    return page_of_slice(await store.threads.page(actor, paging, agent_id=agent_id), _shown)


# Before the route of a thread, whose id may contain slashes.
@router.get("/{thread_id:path}/messages", summary="List the messages", responses=errors(404))
async def list_messages(
    thread_id: ThreadId, actor: Acting, store: Memory, paging: Paging
) -> Page[ShownMessage]:
    """List the messages of a thread, newest first, including tool calls and their results."""
    return page_of_slice(await store.messages.page(actor, thread_id, paging), ShownMessage.model_validate)


@router.get("/{thread_id:path}", summary="Read a thread", responses=errors(404))
async def get_thread(thread_id: ThreadId, actor: Acting, store: Memory) -> ShownThread:
    """Read one thread."""
    return _shown(await store.threads.get(actor, thread_id))


@router.delete("/{thread_id:path}", summary="Delete a thread", responses=errors(404))
async def delete_thread(thread_id: ThreadId, actor: Acting, graph: Serving) -> Deleted:
    """Delete a thread with its messages; a running turn is ended first.

    What the agent noted from it in blocks and passages stays.
    """
    await delete_thread_now(graph, actor, thread_id)
    return Deleted(id=thread_id, object="thread.deleted")


def _shown(thread: Thread) -> ShownThread:
    return ShownThread(
        id=thread.id,
        agent_id=thread.agent_id,
        agent_name=thread.agent_name,
        messages=thread.messages or 0,
        created_at=thread.created_at,
        updated_at=thread.updated_at,
        cut_off=thread.cut_off,
    )
