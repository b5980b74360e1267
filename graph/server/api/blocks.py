"""`/v1/blocks`: the memory blocks in prompts, with their history."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field, model_validator

from ....state.agents.blocks import DEFAULT_LIMIT, BlockVersion
from ..access.auth import Acting
from ..access.key_first import KeyFirst
from .schemas import BlockId, Body, Deleted, Entry, Memory, Page, Paging, Words, errors, page_of_slice

router = APIRouter(prefix="/v1/blocks", tags=["blocks"], route_class=KeyFirst)

_Expected = Annotated[
    int | None, Field(description="Change nothing (409) unless the block is at this version.")
]
LONGEST = 1_000_000
"""Maximum value of a block's limit, in characters."""
_Limit = Annotated[int, Field(ge=1, le=LONGEST, description="Maximum number of characters.")]


class NewBlock(Body):
    """A block to create."""

    label: Words = Field(min_length=1, max_length=200, description="Such as `human`.")
    value: Words = Field("", description="Its text.")
    limit: _Limit = DEFAULT_LIMIT
    agent: Words | None = Field(None, description="Name or id of the agent to attach it to; null for none.")


class ChangedBlock(Body):
    """Changes to a block: `value`, `limit` or both."""

    value: Words | None = Field(None, description="The new text, which creates a new version.")
    limit: _Limit | None = None
    expected_version: _Expected = None

    @model_validator(mode="after")
    def _something(self) -> "ChangedBlock":
        if self.value is None and self.limit is None:
            raise ValueError("give `value` or `limit`")
        return self


class Step(Body):
    """An undo or redo."""

    expected_version: _Expected = None


class ShownBlock(Entry):
    """A memory block at its newest version."""

    id: str = Field(description="Begins with `block-`.")
    object: Literal["block"] = "block"
    label: str
    value: str
    limit: int
    version: int
    updated_at: datetime


class ShownVersion(Entry):
    """One version of a block's text, and its author."""

    id: str = Field(description="The version, as the id in this list.")
    object: Literal["block.version"] = "block.version"
    version: int
    value: str
    changed_by: str = Field(description="`user`, `agent`, `memory`, `undo`, `redo` or another name.")
    changed_at: datetime


@router.post("", status_code=201, summary="Create a block", responses=errors(404, 409))
async def create_block(body: NewBlock, actor: Acting, store: Memory) -> ShownBlock:
    """Create a block, attached to an agent or to none."""
    agent_id = None if body.agent is None else (await store.agents.get(actor, body.agent)).id
    block = await store.blocks.create(actor, body.label, body.value, limit=body.limit, agent_id=agent_id)
    return ShownBlock.model_validate(block)


@router.get("", summary="List all blocks", responses=errors())
async def list_blocks(actor: Acting, store: Memory, paging: Paging) -> Page[ShownBlock]:
    """List all blocks, attached or not, oldest first."""
    return page_of_slice(await store.blocks.page(actor, paging), ShownBlock.model_validate)


@router.get("/{block_id}", summary="Read a block", responses=errors(404))
async def get_block(block_id: BlockId, actor: Acting, store: Memory) -> ShownBlock:
    """Read one block."""
    return ShownBlock.model_validate(await store.blocks.get(actor, block_id))


@router.patch("/{block_id}", summary="Change a block", responses=errors(404, 409))
async def update_block(block_id: BlockId, body: ChangedBlock, actor: Acting, store: Memory) -> ShownBlock:
    """Change text, limit or both. The next step of a running turn sees the change."""
    if body.value is not None:
        block = await store.blocks.write(
            actor, block_id, body.value, limit=body.limit, expected_version=body.expected_version
        )
    else:
        limit = body.limit or DEFAULT_LIMIT
        block = await store.blocks.resize(actor, block_id, limit, expected_version=body.expected_version)
    return ShownBlock.model_validate(block)


@router.delete("/{block_id}", summary="Delete a block", responses=errors(404, 409))
async def delete_block(
    block_id: BlockId,
    actor: Acting,
    store: Memory,
    expected_version: Annotated[
        int | None, Query(description="Delete nothing (409) unless the block is at this version.")
    ] = None,
) -> Deleted:
    """Delete a block with its history, and detach it from its agents."""
    await store.blocks.delete(actor, block_id, expected_version=expected_version)
    return Deleted(id=block_id, object="block.deleted")


@router.get("/{block_id}/history", summary="List the versions of a block", responses=errors(404))
async def list_block_versions(
    block_id: BlockId, actor: Acting, store: Memory, paging: Paging
) -> Page[ShownVersion]:
    """List the versions of a block, newest first."""
    return page_of_slice(await store.blocks.history_page(actor, block_id, paging), _shown_version)


@router.post("/{block_id}/undo", summary="Undo the last change of a block", responses=errors(404, 409))
async def undo_block(block_id: BlockId, actor: Acting, store: Memory, body: Step | None = None) -> ShownBlock:
    """Restore the text before the last change, as a new version; 409 if there is none."""
    expected = body.expected_version if body else None
    return ShownBlock.model_validate(await store.blocks.undo(actor, block_id, expected_version=expected))


@router.post("/{block_id}/redo", summary="Redo the last undone change", responses=errors(404, 409))
async def redo_block(block_id: BlockId, actor: Acting, store: Memory, body: Step | None = None) -> ShownBlock:
    """Restore the text that the last undo removed; 409 if there is none."""
    expected = body.expected_version if body else None
    return ShownBlock.model_validate(await store.blocks.redo(actor, block_id, expected_version=expected))


def _shown_version(version: BlockVersion) -> ShownVersion:
    return ShownVersion(
        id=str(version.version),
        version=version.version,
        value=version.value,
        changed_by=version.changed_by,
        changed_at=version.changed_at,
    )
