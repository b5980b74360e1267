"""Update a memory block with what a memory model wrote, despite concurrent writers."""

from ...state.agents.actors import Actor
from ...state.agents.agents import DEFAULT_BLOCKS
from ...state.agents.blocks import Block
from ...state.errors import StaleVersion
from ...state.store import Store
from .merge_facts import merge_facts

CHANGED_BY = "memory"
"""The author in a block's history for changes by recall or consolidation."""


async def rewrite_block(store: Store, actor: Actor, agent_id: str, label: str, value: str) -> str:
    """Merge new text into a block of the agent, with concurrent writes. Return a report for the model."""
    while True:
        blocks = await store.blocks.of_agent(actor, agent_id)
        block = next((block for block in blocks if block.label == label), None)
        if block is None:
            return f"There is no block '{label}'. There are: {', '.join(block.label for block in blocks)}."
        merged = merge_facts(known_text(block), value, block.limit)
        try:
            await store.blocks.write(
                actor, block.id, merged, expected_version=block.version, changed_by=CHANGED_BY
            )
        except StaleVersion:
            continue
        return f"Block '{label}' now uses {len(merged)} of {block.limit} characters."


def known_text(block: Block) -> str:
    """Return the block's text, empty for the placeholder of an empty block."""
    return "" if block.label == "human" and block.value == DEFAULT_BLOCKS["human"] else block.value
