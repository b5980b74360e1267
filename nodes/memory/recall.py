"""Recall: search all conversations, and update the memory block with the results."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from ...state.agents.blocks import Block
from ...state.errors import VoicegraphError
from ...state.schema import AgentFacts
from ...state.search.recall import RecallHit
from ..context import Context
from .block_rewriting import known_text, rewrite_block
from .memory_agent import compose_notes

log = logging.getLogger(__name__)

NOTHING = "Nothing was found about that in earlier conversations."


async def recall(
    context: Context,
    agent: AgentFacts,
    query: str,
    start_minutes_ago: int | None = None,
    end_minutes_ago: int | None = None,
) -> str:
    """Return the result of a recall for the model: the updated memory, or the hits themselves.

    In the mode `compose` the memory model rewrites the agent's block from the hits; if it fails or exceeds
    the deadline, the hits are the result, as in the mode `search`.
    """
    now = datetime.fromtimestamp(context.clock.now(), UTC)
    page = await context.store.recall.search(
        context.actor,
        agent["id"],
        query,
        start=_ago(now, start_minutes_ago),
        end=_ago(now, end_minutes_ago),
        limit=context.limits.recall_hits,
    )
    if not page.hits:
        return NOTHING
    found = render_hits(page.hits)
    block = await _block(context, agent)
    if context.limits.recall_mode == "search" or block is None:
        return found
    try:
        async with asyncio.timeout(context.limits.memory_deadline):
            told = await _compose(context, agent, block, query, found)
    except (VoicegraphError, TimeoutError) as error:
        log.warning("the memory model failed", extra={"error": getattr(error, "code", "timeout")})
        return found
    return told or found


async def _compose(context: Context, agent: AgentFacts, block: Block, query: str, found: str) -> str | None:
    """Rewrite the block and return the result for the model, `None` if the memory model's answer is empty."""
    model = context.models.get(context.limits.memory_model or agent["model"])
    answer = await compose_notes(model, known_text(block), query, found, block.limit)
    if not answer.strip() or not await context.until_firm():
        return None
    await rewrite_block(context.store, context.actor, agent["id"], block.label, answer)
    return f"Recalled into your memory block '{block.label}':\n{answer.strip()}"


async def _block(context: Context, agent: AgentFacts) -> Block | None:
    blocks = await context.store.blocks.of_agent(context.actor, agent["id"])
    return next((block for block in blocks if block.label == context.limits.recall_block), None)


def _ago(now: datetime, minutes: int | None) -> datetime | None:
    return None if minutes is None else now - timedelta(minutes=minutes)


def render_hits(hits: Sequence[RecallHit]) -> str:
    """Return the hits with their neighbours, each message once, oldest first, with time and speaker."""
    lines = {
        said.number: f"[{said.created_at:%Y-%m-%d %H:%M}] {said.speaker}: {said.text}"
        for hit in hits
        for said in (*hit.before, hit.message, *hit.after)
    }
    return "\n".join(lines[number] for number in sorted(lines))
