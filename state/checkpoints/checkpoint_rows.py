"""Checkpoints as rows of any database: what is written of each, and how it is put together again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from .pieces import Known, decode, encode, long_version, short_version, with_versions

Kind = Literal["piece", "checkpoint", "result", "error"]
"""How a row is written: errors and interrupts replace earlier ones, results and pieces are written once."""
Row = tuple[Kind, Sequence[Any]]
"""What to write, and the values of its columns."""
Raw = tuple[str, str, str, str | None, bytes, bytes]
"""Thread, namespace, id, parent's id, hashes of pieces and body of a checkpoint."""


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of checkpoints, newest first, with their writes and the pieces of their threads."""

    checkpoints: list[Raw]
    writes: dict[tuple[str, str, str], list[tuple[str, bytes, bytes]]]
    pieces: dict[str, dict[bytes, bytes]]


def put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    serde: SerializerProtocol,
    known: Known,
) -> list[Row]:
    """Return the rows of a checkpoint, that of itself last."""
    place = config.get("configurable", {})
    header = {k: v for k, v in checkpoint.items() if k not in ("id", "channel_values")}
    value = {
        "header": with_versions(header, short_version),
        "metadata": get_checkpoint_metadata(config, metadata),
        "values": checkpoint["channel_values"],
    }
    encoded = encode(value, serde, known)
    thread_id, space = str(place["thread_id"]), place.get("checkpoint_ns") or ""
    row = (thread_id, space, checkpoint["id"], place.get("checkpoint_id"), encoded.digests, encoded.body)
    return [*_pieces(thread_id, encoded.new, known), ("checkpoint", row)]


def put_writes(
    config: RunnableConfig,
    writes: Sequence[tuple[str, Any]],
    task: tuple[str, str],
    serde: SerializerProtocol,
    known: Known,
) -> list[Row]:
    """Return the rows of a task's writes; `task` is its id and its path."""
    place = config.get("configurable", {})
    thread_id, space = str(place["thread_id"]), place.get("checkpoint_ns") or ""
    special = all(channel in WRITES_IDX_MAP for channel, _ in writes)
    by_place = (
        {WRITES_IDX_MAP[channel]: [(channel, value)] for channel, value in writes} if special else {0: writes}
    )
    rows: list[Row] = []
    for number, given in by_place.items():
        encoded = encode([{"channel": channel, "value": value} for channel, value in given], serde, known)
        key = (thread_id, space, place["checkpoint_id"], task[0], number)
        rows += _pieces(thread_id, encoded.new, known)
        rows.append(("error" if special else "result", (*key, task[1], encoded.digests, encoded.body)))
    return rows


def _pieces(thread_id: str, new: dict[bytes, bytes], known: Known) -> list[Row]:
    known.stored.update(new)
    return [("piece", (thread_id, digest, content)) for digest, content in new.items()]


def tuple_of(raw: Raw, found: Found, serde: SerializerProtocol) -> CheckpointTuple:
    """Return a checkpoint in LangGraph's form."""
    thread_id, space, checkpoint_id, parent_id, digests, body = raw
    pieces = found.pieces.get(thread_id, {})
    value = decode(body, digests, pieces, serde)
    header = with_versions(value["header"], long_version)
    checkpoint = cast(Checkpoint, {**header, "id": checkpoint_id, "channel_values": value["values"]})
    pending: list[PendingWrite] = []
    for task_id, of_write, write in found.writes.get((thread_id, space, checkpoint_id), []):
        for each in decode(write, of_write, pieces, serde):
            pending.append((task_id, each["channel"], each["value"]))
    parent = config_of(thread_id, space, parent_id) if parent_id else None
    config = config_of(thread_id, space, checkpoint_id)
    return CheckpointTuple(config, checkpoint, value["metadata"], parent, pending)


def config_of(thread_id: str, space: str, checkpoint_id: str | None) -> RunnableConfig:
    """Return the configuration of a checkpoint, or with `None` of the thread only."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": space, "checkpoint_id": checkpoint_id}}
