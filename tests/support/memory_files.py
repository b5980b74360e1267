"""Memory files of any size."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, uuid5

from voicegraph.state.upkeep.memory_file import (
    FileAgent,
    FileBlock,
    FileBlockVersion,
    FileMessage,
    FilePassage,
    FileThread,
    MemoryFile,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def hex_of(name: str) -> str:
    return uuid5(NAMESPACE_OID, name).hex


def a_block(name: str, label: str = "human", versions: int = 1, text: str = "Version {}.") -> FileBlock:
    history = [
        FileBlockVersion(version=n, value=text.format(n), changed_by="user", changed_at=NOON)
        for n in range(1, versions + 1)
    ]
    return FileBlock(id=f"block-{hex_of(name)}", label=label, limit=5_000, versions=tuple(history))


def a_message(sequence: int, text: str = "Tea, please.") -> FileMessage:
    return FileMessage(
        sequence=sequence,
        id=f"m{sequence}",
        turn_id="t",
        role="user",
        text=text,
        created_at=NOON,
        evicted_at=NOON,
    )


def an_agent(
    name: str,
    *,
    blocks: Sequence[FileBlock] = (),
    threads: int = 0,
    messages: int = 0,
    passages: int = 0,
    text: str = "Tea, please.",
) -> FileAgent:
    """Return an agent whose messages are dealt out to its threads in turn."""
    said = [a_message(sequence, text) for sequence in range(1, messages + 1)]
    return FileAgent(
        id=f"agent-{hex_of(name)}",
        name=name,
        created_at=NOON,
        updated_at=NOON,
        blocks=tuple(block.id for block in blocks),
        threads=tuple(
            FileThread(
                id=f"{name}-{number:05}",
                created_at=NOON + timedelta(seconds=number),
                updated_at=NOON + timedelta(seconds=number),
                messages=tuple(said[number::threads]),
            )
            for number in range(threads)
        ),
        passages=tuple(
            FilePassage(id=f"passage-{hex_of(f'{name} {number}')}", text="She likes tea.", created_at=NOON)
            for number in range(passages)
        ),
    )


def a_file(agents: Sequence[FileAgent], blocks: Sequence[FileBlock] = ()) -> MemoryFile:
    """Return a file as an export has it."""
    ordered = sorted(blocks, key=lambda block: (block.versions[0].changed_at, block.id))
    return MemoryFile(exported_at=NOON, agents=tuple(agents), blocks=tuple(ordered))


def large_file(rows: int) -> MemoryFile:
    """Return a file with an agent and a block of which each kind of rows takes several portions of `rows`.

    A small agent comes before the large one and one comes after it.
    """
    shared, long = a_block("shared"), a_block("long", "notes", versions=2 * rows + 1)
    small = [an_agent(name, blocks=[shared], threads=1, messages=2, passages=1) for name in ("ann", "zoe")]
    large = an_agent("lea", blocks=[long, shared], threads=rows + 1, messages=3 * rows, passages=rows + 1)
    return a_file([small[0], large, small[1]], [shared, long])
