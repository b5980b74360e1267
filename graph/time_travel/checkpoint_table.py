"""The checkpoints of a thread: the state before each of its last steps."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from langchain_core.messages import AnyMessage
from langgraph.types import StateSnapshot

from ...nodes.window.barge_in.heard import spoken_text
from ...state.agents.actors import Actor
from ...state.agents.thread_keys import thread_key
from ...state.errors import InvalidInput
from ..pictures.html import html_page, html_table
from ..pictures.picture import Saved
from ..turns.turn_config import config_of
from ..turns.turn_graph import TurnGraph

_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A point at which a thread can be inspected and forked.

    `next` is the step that follows, `None` at the end of a turn. `messages` is the number of messages in the
    window, `last` the last one with its role. `step` counts from the start of the thread.
    """

    id: str
    created_at: datetime
    step: int
    turn_id: str | None
    next: str | None
    messages: int
    last: str


@dataclass(frozen=True, slots=True)
class CheckpointTable(Saved):
    """The checkpoints of a thread, newest first: a tuple of rows that notebooks show as a table."""

    thread_id: str
    rows: tuple[Checkpoint, ...]

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Checkpoint:
        return self.rows[place]

    def __repr__(self) -> str:
        lines = [TITLES, *(cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = ("  ".join(map(str.ljust, line, widths)) for line in lines)
        return "\n".join(line.rstrip() for line in padded)

    def before(self, step: str) -> Checkpoint:
        """Return the newest checkpoint before `step`, such as `call_llm`.

        Raises `InvalidInput` when there is none.
        """
        found = next((row for row in self.rows if row.next == step), None)
        if found is None:
            raise InvalidInput(f"no checkpoint of thread '{self.thread_id}' precedes '{step}'")
        return found

    def _repr_html_(self) -> str:
        return html_table(TITLES, [cells(row) for row in self.rows])

    def _files(self) -> dict[str, Any]:
        return {"html": lambda: html_page(self._repr_html_()), "txt": lambda: f"{self!r}\n"}


TITLES = ["checkpoint", "when", "next", "messages", "last"]


def cells(row: Checkpoint) -> list[str]:
    """Return a checkpoint as the cells of a table under `TITLES`."""
    last = " ".join(row.last.split())
    return [
        row.id,
        f"{row.created_at.astimezone():%m-%d %H:%M:%S}",
        row.next or "(end of turn)",
        str(row.messages),
        last if len(last) <= _LONGEST else f"{last[: _LONGEST - 1]}…",
    ]


async def checkpoints(
    graph: TurnGraph, thread_id: str, *, limit: int | None = None, actor: Actor | None = None
) -> CheckpointTable:
    """Return the thread's checkpoints as a table, newest first, at most `limit`.

    Old ones are pruned at the end of each turn (setting `checkpoints_kept`). Raises `ThreadNotFound`.
    """
    return CheckpointTable(thread_id, await list_checkpoints(graph, thread_id, limit=limit, actor=actor))


async def list_checkpoints(
    graph: TurnGraph, thread_id: str, *, limit: int | None = None, actor: Actor | None = None
) -> tuple[Checkpoint, ...]:
    """Return the thread's checkpoints as plain data; takes and raises what `checkpoints` does."""
    if limit is not None and limit < 1:
        raise InvalidInput(f"the limit must be at least 1, not {limit}")
    actor = actor or Actor()
    await graph.resources.store.threads.get(actor, thread_id)
    config = config_of(actor, thread_id)
    return tuple([_checkpoint(found) async for found in graph.aget_state_history(config, limit=limit)])


async def prune(graph: TurnGraph, thread_id: str, *, keep: int = 1, actor: Actor | None = None) -> int:
    """Delete all but the newest `keep` checkpoints of a thread; return the number deleted.

    The thread can continue as before, even one that a crash left in a turn. Its messages stay in recall
    memory. Raises `ThreadNotFound`.
    """
    if keep < 1:
        raise InvalidInput(f"at least 1 checkpoint must be kept, not {keep}: the thread continues from it")
    before = len(await list_checkpoints(graph, thread_id, actor=actor))
    await graph.resources.checkpointer.prune_thread(thread_key(actor or Actor(), thread_id), keep)
    return max(0, before - keep)


def _checkpoint(found: StateSnapshot) -> Checkpoint:
    messages: list[AnyMessage] = found.values.get("messages", [])
    metadata: dict[str, Any] = dict(found.metadata or {})
    turn = found.values.get("turn")
    created_at = datetime.fromisoformat(found.created_at) if found.created_at else datetime.now(UTC)
    return Checkpoint(
        id=found.config["configurable"]["checkpoint_id"],  # pyright: ignore[reportTypedDictNotRequiredAccess]
        created_at=created_at,
        step=metadata.get("step", 0),
        turn_id=turn["id"] if turn else None,
        next=found.next[0] if found.next else None,
        messages=len(messages),
        last=_shown(messages[-1]) if messages else "",
    )


def _shown(message: AnyMessage) -> str:
    text = spoken_text(message) or str(message.text)
    calls = ", ".join(call["name"] for call in getattr(message, "tool_calls", ()))
    return f"{message.type}: {text}{f' [calls {calls}]' if calls else ''}"
