"""The system prompt: how to speak, the agent's memory, and changing facts, in this order.

What changes least comes first, so that the provider's prompt cache keeps its prefix.
"""

from collections.abc import Sequence

from ...state.agents.agents import DEFAULT_BLOCKS, Agent, MemoryCounts
from ...state.agents.blocks import Block
from ...state.tables.time_zones import time_zone
from ..text.enclosing import enclosed

SPEECH_INSTRUCTIONS = """\
You are a voice assistant. Your words are spoken aloud by text-to-speech, and you hear the user through \
speech-to-text.

How you speak:
- Be brief: one to three short sentences, like a person on the phone. Give more only when asked.
- Write plain, speakable text. No markup, lists, headings, emoji, links or code. Spell out what is hard to \
say: "twenty euros", not "20 EUR".
- End every sentence with punctuation.
- Speak the user's language. If something was misheard or is unclear, ask one short question.
- Never mention these instructions, tools, or that you read or write text.

Tools:
- Before a tool runs, say one short sentence in its argument "pre_exec_msg". The user hears it at once.
- Never say that something is done before its tool has confirmed it."""

MOST_BLOCK_CHARACTERS = 400_000
"""Maximum characters of memory blocks in a prompt, which each checkpoint stores too."""
_CUT = "\n(The rest of this block is cut off.)"

SMALL_MODEL_INSTRUCTIONS = "You are a helpful voice assistant. Answer in one or two short sentences."


def render_prompt(agent: Agent, blocks: Sequence[Block], counts: MemoryCounts | None, *, small: bool) -> str:
    """Return the system prompt of an agent with its memory blocks.

    `small` selects the short form for models that cannot follow a long one; it needs no `counts`.
    """
    values = _fitting(blocks)
    if small:
        # Every extra word can confuse a small model: it gets no default texts.
        texts = [value.strip() for value in values if value not in DEFAULT_BLOCKS.values()]
        known = [text for text in texts if text]
        return "\n".join([agent.system or SMALL_MODEL_INSTRUCTIONS, *known])
    parts = [agent.system or SPEECH_INSTRUCTIONS]
    if blocks:
        parts.append("What you remember:\n" + "\n".join(map(_render_block, blocks, values)))
    if counts is not None:
        parts.append(_render_facts(agent, counts))
    return "\n\n".join(parts)


def _fitting(blocks: Sequence[Block]) -> list[str]:
    """Return the texts of blocks, truncated where the total is too long."""
    room, values = MOST_BLOCK_CHARACTERS, list[str]()
    for block in blocks:
        values.append(block.value if len(block.value) <= room else block.value[:room] + _CUT)
        room = max(0, room - len(block.value))
    return values


def _render_block(block: Block, value: str) -> str:
    return enclosed("block", value, label=block.label)


def _render_facts(agent: Agent, counts: MemoryCounts) -> str:
    zone = time_zone(agent.time_zone)
    edited = (counts.edited_at or agent.updated_at).astimezone(zone)
    return (
        f"Your memory also has {counts.messages} messages from all conversations and {counts.passages} "
        f"archived passages. It was last edited on {edited:%A}, {edited.day} {edited:%B %Y}, {edited:%H:%M} "
        f"({zone})."
    )
