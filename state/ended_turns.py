"""A turn that ended leaves the journal, in the transaction that stores its messages."""

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, delete, update

from .models import JournalRow, MessageRow

CUT = "cut"
"""Status of a message that holds what went out of a reply before a crash cut it off."""

_LEAVE = (
    delete(JournalRow)
    .where(JournalRow.thread_id == bindparam("thread"), JournalRow.turn_id == bindparam("turn"))
    .returning(JournalRow.lost, JournalRow.resumed, JournalRow.recorded_at)
)
_OF_TURN = (MessageRow.thread_id == bindparam("thread"), MessageRow.turn_id == bindparam("turn"))
_DELETE_OTHERS = delete(MessageRow).where(*_OF_TURN, MessageRow.id.not_in(bindparam("saved", expanding=True)))
_KEEP_LOST = (
    update(MessageRow)
    .where(MessageRow.thread_id == bindparam("thread"), MessageRow.id == bindparam("of_id"))
    .values(text=bindparam("lost"), indexed_at=None)
)


def cut_id(turn_id: str) -> str:
    """Return the id of the message that holds what a crash cut off in the turn."""
    return f"{turn_id}-cut"


def end_turn(connection: Connection, thread_id: str, turn_id: str, saved: Collection[str]) -> None:
    """Take the turn out of the journal.

    When a crash parted it, its messages with the ids `saved` replace what was recorded of it meanwhile. What
    went out before the crash and is in none of them stays.
    """
    place = {"thread": thread_id, "turn": turn_id}
    left = connection.execute(_LEAVE, place).first()
    if left is None or not (left.resumed or left.recorded_at):
        return
    stay = [*saved, cut_id(turn_id)] if left.lost else list(saved)
    connection.execute(_DELETE_OTHERS, {**place, "saved": stay})
    if left.lost:
        connection.execute(
            _KEEP_LOST, {"thread": thread_id, "of_id": cut_id(turn_id), "lost": left.lost.strip()}
        )
