"""`/v1/agents/{agent}/blocks`: the blocks in an agent's prompt."""

from fastapi import APIRouter

from ..access.auth import Acting
from ..access.key_first import KeyFirst
from .blocks import ShownBlock
from .schemas import AgentRef, BlockId, Deleted, Memory, Page, errors, page_of

router = APIRouter(prefix="/v1/agents/{agent}/blocks", tags=["blocks"], route_class=KeyFirst)


@router.get("", summary="List the blocks of an agent", responses=errors(404))
async def list_agent_blocks(agent: AgentRef, actor: Acting, store: Memory) -> Page[ShownBlock]:
    """List all blocks that the agent holds, in the order of its prompt, on one page."""
    blocks = await store.blocks.of_agent(actor, (await store.agents.get(actor, agent)).id)
    return page_of(blocks, ShownBlock.model_validate, more=False)


@router.put("/{block_id}", summary="Attach a block", responses=errors(404, 409))
async def attach_block(agent: AgentRef, block_id: BlockId, actor: Acting, store: Memory) -> ShownBlock:
    """Attach the block after those the agent already holds. Several agents may hold the same block."""
    await store.blocks.attach(actor, (await store.agents.get(actor, agent)).id, block_id)
    return ShownBlock.model_validate(await store.blocks.get(actor, block_id))


@router.delete("/{block_id}", summary="Detach a block", responses=errors(404))
async def detach_block(agent: AgentRef, block_id: BlockId, actor: Acting, store: Memory) -> Deleted:
    """Detach the block from the agent; the block itself is not deleted."""
    await store.blocks.detach(actor, (await store.agents.get(actor, agent)).id, block_id)
    return Deleted(id=block_id, object="agent.block.deleted")
