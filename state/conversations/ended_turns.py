"""A turn that ended leaves the journal, in the transaction that stores its messages."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete

from ..tables.tables import JournalRow, MessageRow

CUT = "cut"
"""Status of a message that holds what went out of a reply before a crash cut it off."""

_LEAVE = (
    delete(JournalRow)
    .where(JournalRow.thread_id == bindparam("thread"), JournalRow.turn_id == bindparam("turn"))
    .returning(JournalRow.lost, JournalRow.started_at, JournalRow.resumed, JournalRow.recorded_at)
)
_OF_TURN = (MessageRow.thread_id == bindparam("thread"), MessageRow.turn_id == bindparam("turn"))
_DELETE_OTHERS = delete(MessageRow).where(*_OF_TURN, MessageRow.id.not_in(bindparam("saved", expanding=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Words that went out before a crash and are in no message; the turn `went_on` then."""

    text: str
    went_on: datetime


def cut_id(turn_id: str) -> str:
    """Return the id of the message that holds what a crash cut off in the turn."""
    return f"{turn_id}-cut"


def end_turn(connection: Connection, thread_id: str, turn_id: str, saved: Collection[str]) -> Lost | None:
    """Take the turn out of the journal.

    When a crash parted it, its messages with the ids `saved` replace what was recorded of it meanwhile.
    Return what went out before the crash and is in none of them.
    """
    place = {"thread": thread_id, "turn": turn_id}
    left = connection.execute(_LEAVE, place).first()
    if left is None or not (left.resumed or left.recorded_at):
        return None
    connection.execute(_DELETE_OTHERS, {**place, "saved": list(saved)})
    lost = left.lost.strip()
    return Lost(text=lost, went_on=left.started_at) if lost else None
