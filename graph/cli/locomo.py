"""Conversations with questions in the format of LoCoMo (Maharana et al., 2024)."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from ...state.errors import InvalidInput

_ADVERSARIAL = 5
_SESSION = re.compile(r"session_(\d+)")
# Seen: 'D1:3', 'D8:6; D9:17', 'D:11:26', 'D30:05' and a lone 'D'.
_TURN = re.compile(r"D:?(\d+):(\d+)")
_WHEN = "%I:%M %p on %d %B, %Y"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """One turn of a conversation; the evidence refers to it by `id`."""

    id: str
    speaker: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the ids of the turns that answer it."""

    text: str
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The sessions of two speakers, in order, and the questions that they answer."""

    name: str
    sessions: tuple[tuple[Spoken, ...], ...]
    questions: tuple[Question, ...]


def read_locomo(file: Path) -> list[Conversation]:
    """Return the conversations of a file. Raises `InvalidInput` when it cannot be read as LoCoMo."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInput(f"the file {file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"the file {file} is not JSON: {error}") from error
    try:
        samples = cast(list[Any], [raw] if isinstance(raw, dict) else raw)
        conversations = [_conversation(sample, number) for number, sample in enumerate(samples, start=1)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"the file {file} is not in the format of LoCoMo ({error!r})") from error
    if not any(conversation.questions for conversation in conversations):
        raise InvalidInput(f"the file {file} has no questions with evidence")
    return conversations


def _conversation(sample: dict[str, Any], number: int) -> Conversation:
    said = sample["conversation"]
    names = (_SESSION.fullmatch(key) for key in said)
    sessions: list[tuple[Spoken, ...]] = []
    begins = datetime(2000, 1, 1, tzinfo=UTC)
    for name in sorted((name for name in names if name), key=lambda name: int(name[1])):
        begins = _begin(said.get(f"{name[0]}_date_time"), begins)
        sessions.append(tuple(_spoken(turn, begins, place) for place, turn in enumerate(said[name[0]] or [])))
    there = {turn.id for session in sessions for turn in session}
    questions = (
        Question(str(question["question"]), _evidence(question.get("evidence")) & there)
        for question in sample["qa"]
        if question.get("category") != _ADVERSARIAL
    )
    return Conversation(
        name=str(sample.get("sample_id", number)),
        sessions=tuple(sessions),
        questions=tuple(question for question in questions if question.evidence),
    )


def _begin(written: str | None, previous: datetime) -> datetime:
    """Return when a session began; without a readable date, a day after the previous one."""
    try:
        return datetime.strptime((written or "").strip(), _WHEN).replace(tzinfo=UTC)
    except ValueError:
        return previous + timedelta(days=1)


def _spoken(turn: dict[str, Any], begins: datetime, place: int) -> Spoken:
    # A picture is searched by its caption, and may come without words.
    text, photo = str(turn.get("text") or ""), turn.get("blip_caption")
    return Spoken(
        id=str(turn["dia_id"]),
        speaker=str(turn["speaker"]),
        text=f"{text} (photo: {photo})".strip() if photo else text,
        at=begins + timedelta(seconds=place),
    )


def _evidence(written: object) -> frozenset[str]:
    turns = _TURN.findall(json.dumps(written))
    return frozenset(f"D{int(session)}:{int(turn)}" for session, turn in turns)
