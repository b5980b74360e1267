"""`/v1/forget`, `/v1/export` and `/v1/import`: delete, export and import memory."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, model_validator

from ....state.errors import InvalidInput
from ....state.upkeep.export_memory import export_to
from ....state.upkeep.importing.import_memory import import_memory
from ....state.upkeep.memory_file import MemoryFile, read_memory_file
from ..access.auth import Acting
from ..access.key_first import KeyFirst
from ..access.keyring import Keyring
from .agent_rules import check_agent
from .agents import LONGEST_SYSTEM, MOST_TOOLS
from .blocks import LONGEST
from .forgetting import forget_now
from .schemas import Body, Memory, Serving, Words, errors, storable
from .spooled import SpooledResponse, spool

router = APIRouter(prefix="/v1", tags=["memory"], route_class=KeyFirst)

_FILE: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}


class Forget(Body):
    """What to forget: the key's user, or one of the user's agents or threads."""

    what: Literal["user", "agent", "thread"]
    name: Words | None = Field(
        None, description="Name or id of the agent, or id of the thread; omit it for the user."
    )

    @model_validator(mode="after")
    def _named(self) -> "Forget":
        if (self.name is None) != (self.what == "user"):
            raise ValueError("give `name` for an agent or a thread, and for nothing else")
        return self


class ForgottenProof(BaseModel):
    """What was forgotten: the number of matching rows in each table, before and after."""

    object: Literal["memory.forgotten"] = "memory.forgotten"
    what: Literal["user", "agent", "thread"]
    complete: bool = Field(description="Whether nothing is left.")
    before: dict[str, int]
    left: dict[str, int]


class ImportedMemory(BaseModel):
    """What an import added."""

    object: Literal["memory.imported"] = "memory.imported"
    added: dict[str, int]
    renamed: dict[str, str] = Field(
        description="New names of agents and new ids of threads, by the old ones."
    )


@router.post("/forget", summary="Forget for good", responses=errors(404))
async def forget_memory(request: Request, body: Forget, actor: Acting, graph: Serving) -> ForgottenProof:
    """Remove every row, index entry and checkpoint of the user, an agent or a thread, with a proof.

    It rewrites the search index, which takes a while if that is large; deleting is quicker. Forgetting a user
    also deletes the user's keys, including the one of the request.
    """
    # The proof reads all rows of all users: several at a time would slow the turns down.
    async with request.app.state.forgetting:
        forgotten = await forget_now(graph, actor, body.what, body.name or "")
    keyring: Keyring = request.app.state.keyring
    await keyring.look()
    return ForgottenProof(
        what=body.what, complete=forgotten.complete, before=forgotten.before, left=forgotten.left
    )


@router.get(
    "/export",
    summary="Export all memory",
    response_class=Response,
    responses={**errors(404), 200: {"content": _FILE, "description": "A memory file."}},
)
async def export_file(
    actor: Acting,
    store: Memory,
    agent: Annotated[Words | None, Query(description="Export only the agent with this name or id.")] = None,
) -> Response:
    """Export the memory of the user, or of one agent, as one JSON file."""
    file = spool()
    try:
        await export_to(store, actor, file.write, agent=agent)
    except BaseException:
        file.close()
        raise
    return SpooledResponse(file)


@router.post(
    "/import",
    summary="Import a memory file",
    responses=errors(409),
    openapi_extra={"requestBody": {"required": True, "content": _FILE}},
)
async def import_file(request: Request, actor: Acting, graph: Serving) -> ImportedMemory:
    """Import an exported file; entries whose id exists are not changed."""
    content = await request.body()
    # Parsing a large file takes time: not on the event loop, which serves running turns.
    file = await asyncio.to_thread(read_memory_file, content)
    await _check(file, graph)
    done = await import_memory(graph.resources.store, actor, file)
    graph.resources.indexing.wake()
    return ImportedMemory(added=done.added, renamed=done.renamed)


async def _check(file: MemoryFile, graph: Serving) -> None:
    """Raise `InvalidInput` or `InvalidSetting` for anything that could not be created over HTTP."""
    for block in file.blocks:
        if block.limit > LONGEST:
            raise InvalidInput(f"the limit of block '{block.label}' is over {LONGEST:,}")
    for agent in file.agents:
        system = agent.system or ""
        if len(system) > LONGEST_SYSTEM or len(agent.tools) > MOST_TOOLS:
            raise InvalidInput(
                f"agent '{agent.name}' has more than {LONGEST_SYSTEM:,} characters of instructions or "
                f"{MOST_TOOLS} tools"
            )
        try:
            storable(system)
        except ValueError as error:
            raise InvalidInput(f"the instructions of agent '{agent.name}': {error}") from None
        await check_agent(
            graph.resources, model=agent.model, model_settings=agent.model_settings, tools=agent.tools
        )
