"""Memory operations for a running tool, on its own agent."""

from collections.abc import Callable
from typing import Protocol

from ...state.agents.actors import Actor
from ...state.agents.agents import DEFAULT_BLOCKS
from ...state.agents.blocks import Block
from ...state.errors import InvalidInput, StaleVersion
from ...state.store import Store

# After this many lost races the tool gets an error; each lost race means that another writer succeeded.
_ATTEMPTS = 20

CHANGED_BY = "agent"
"""The author in a block's history for changes by a tool."""


class Memory(Protocol):
    """The memory of the agent whose tool is running."""

    async def append(self, label: str, content: str) -> Block:
        """Add `content` as a new line at the end of a block."""
        ...

    async def replace(self, label: str, old: str, new: str) -> Block:
        """Replace the only occurrence of `old` in a block by `new`."""
        ...

    async def archive(self, content: str) -> None:
        """Store `content` in archival memory."""
        ...


class StoredMemory:
    """The memory of one agent in the database.

    All functions raise `InvalidInput`, `BlockTooLong` or `BlockNotFound` with messages that a model may read,
    and `StaleVersion` if other writers keep changing the block.
    """

    def __init__(self, store: Store, actor: Actor, agent_id: str) -> None:
        self._store, self._actor, self._agent_id = store, actor, agent_id

    async def append(self, label: str, content: str) -> Block:
        """Add `content` as a new line at the end of a block; it replaces an initial placeholder text."""
        if not content.strip():
            raise InvalidInput("the content is empty")

        def longer(value: str) -> str:
            known = "" if value == DEFAULT_BLOCKS.get("human") else value.rstrip()
            return f"{known}\n{content.strip()}" if known else content.strip()

        return await self._change(label, longer)

    async def replace(self, label: str, old: str, new: str) -> Block:
        """Replace the only occurrence of `old` in a block by `new`, which may be empty."""
        if not old:
            raise InvalidInput("the old text is empty: give words from the block")

        def changed(value: str) -> str:
            found = value.count(old)
            if found != 1:
                how = f"occurs {found} times in block '{label}': include more of the words around it"
                missing = f"is not in block '{label}': give the exact words of the block"
                raise InvalidInput(f"the old text {how if found else missing}")
            return value.replace(old, new)

        return await self._change(label, changed)

    async def archive(self, content: str) -> None:
        """Store `content` in archival memory."""
        await self._store.passages.insert(self._actor, self._agent_id, content)

    async def _change(self, label: str, change: Callable[[str], str]) -> Block:
        """Apply `change` to the block's text, with a retry if another writer was faster."""
        blocks = self._store.blocks
        for attempt in range(1, _ATTEMPTS + 1):
            block = await blocks.by_label(self._actor, self._agent_id, label)
            value = change(block.value)
            try:
                return await blocks.write(
                    self._actor,
                    block.id,
                    value,
                    expected_version=block.version,
                    changed_by=CHANGED_BY,
                )
            except StaleVersion:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")
