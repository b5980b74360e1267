"""Remove an ended turn from the journal, in the transaction that stores its messages."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete

from ..tables.tables import JournalRow, MessageRow

CUT = "cut"
"""Status of a message that contains the part of a reply that was sent before a crash."""

_LEAVE = (
    delete(JournalRow)
    .where(JournalRow.thread_id == bindparam("thread"), JournalRow.turn_id == bindparam("turn"))
    .returning(JournalRow.lost, JournalRow.started_at, JournalRow.resumed, JournalRow.recorded_at)
)
_OF_TURN = (MessageRow.thread_id == bindparam("thread"), MessageRow.turn_id == bindparam("turn"))
_DELETE_OTHERS = delete(MessageRow).where(*_OF_TURN, MessageRow.id.not_in(bindparam("saved", expanding=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Text that was sent before a crash and is in no message; the turn was resumed at `went_on`."""

    text: str
    went_on: datetime


def cut_id(turn_id: str) -> str:
    """Return the id of the message for the text that a crash cut off in this turn."""
    return f"{turn_id}-cut"


def end_turn(connection: Connection, thread_id: str, turn_id: str, saved: Collection[str]) -> Lost | None:
    """Remove the turn from the journal.

    If a crash interrupted the turn, its messages with the ids `saved` replace what was recorded of it in the
    meantime. Returns the text sent before the crash that is in none of them.
    """
    place = {"thread": thread_id, "turn": turn_id}
    left = connection.execute(_LEAVE, place).first()
    if left is None or not (left.resumed or left.recorded_at):
        return None
    connection.execute(_DELETE_OTHERS, {**place, "saved": list(saved)})
    lost = left.lost.strip()
    return Lost(text=lost, went_on=left.started_at) if lost else None
