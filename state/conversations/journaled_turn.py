"""A turn in the journal, and its messages as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from ..agents.actors import Actor
from ..tables.columns import storable
from .ended_turns import CUT, cut_id
from .message_rows import MessageRecord

_PLAIN = tuple(field.name for field in fields(MessageRecord))


@dataclass(frozen=True, slots=True, kw_only=True)
class JournaledTurn:
    """A turn in the journal, with the key of its thread.

    `process` is the token of the process that runs or ran it.
    """

    thread_id: str
    actor: Actor
    agent_id: str
    turn_id: str
    process: int
    started_at: datetime
    messages: tuple[MessageRecord, ...]
    lost: str
    spoken: str
    recorded_at: datetime | None

    @property
    def is_empty(self) -> bool:
        """True if only the turn's start is known."""
        return not (self.messages or self.lost or self.spoken)

    def is_repeated_in(self, messages: Sequence[MessageRecord]) -> bool:
        """Return whether `messages` of a later turn begin with this turn's user messages, sent again."""
        words = [message.text for message in self.messages if message.role == "user"]
        later = [message.text for message in messages if message.role == "user"]
        return bool(words) and words == later[: len(words)] and len(later) > len(words)

    def rest(self, kept: str) -> str:
        """Return the text that was sent but is in no message, if the messages contain `kept` of it."""
        spoken, kept = storable(self.spoken), storable(kept)
        more = spoken[len(kept) :] if spoken.startswith(kept) else ""
        return f"{self.lost.rstrip()} {more.lstrip()}".strip() if self.lost else more.strip()

    def in_all(self) -> list[MessageRecord]:
        """Return all messages, followed by the sent text that is in none of them."""
        rest = self.rest("")
        return [*self.messages, self.cut_off(rest)] if rest else list(self.messages)

    def cut_off(self, rest: str) -> MessageRecord:
        """Return the record of the text that was sent last."""
        return MessageRecord(
            id=cut_id(self.turn_id),
            turn_id=self.turn_id,
            role="assistant",
            text=rest,
            status=CUT,
            created_at=self.started_at,
        )


def as_plain(messages: Sequence[MessageRecord]) -> list[dict[str, Any]]:
    """Return records as the journal stores them."""
    plain = [{name: getattr(message, name) for name in _PLAIN} for message in messages]
    return [{**each, "created_at": each["created_at"].isoformat()} for each in plain]


def _as_record(plain: dict[str, Any]) -> MessageRecord:
    """Return the record that is stored as `plain`."""
    created_at: Any = datetime.fromisoformat(plain["created_at"])
    return MessageRecord(**{**plain, "created_at": created_at})


def new_row(
    thread_id: str, turn_id: str, process: int, started_at: datetime, messages: Sequence[MessageRecord]
) -> dict[str, Any]:
    """Return the row of a new turn."""
    return {
        "thread_id": thread_id,
        "turn_id": turn_id,
        "process": process,
        "started_at": started_at,
        "messages": as_plain(messages),
        "lost": "",
        "spoken": "",
        "resumed": False,
        "recorded_at": None,
    }


def turn_of_row(row: Mapping[Any, Any]) -> JournaledTurn:
    """Return the turn for a journal row joined with its thread's owner."""
    return JournaledTurn(
        thread_id=row["thread_id"],
        actor=Actor(row["organization_id"], row["user_id"]),
        agent_id=row["agent_id"],
        turn_id=row["turn_id"],
        process=row["process"],
        started_at=row["started_at"],
        messages=tuple(map(_as_record, row["messages"])),
        lost=row["lost"],
        spoken=row["spoken"],
        recorded_at=row["recorded_at"],
    )
