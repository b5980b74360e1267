"""What the server answers: one `Reply` a request, with its content, its pace and its faults.

Positions (`drop_after=2`, `malformed_at=2`, ...) count tokens from 0: a token is a piece of text, the opening
of a tool call or a fragment of its arguments. The role chunk, empty chunks, comments and the end are none.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from .watched import Gate


@dataclass(frozen=True)
class ToolCall:
    """One tool call of a reply."""

    name: str
    arguments: str | tuple[str, ...] = "{}"
    """The arguments as text, valid JSON or not; a tuple gives the very fragments."""
    id: str | None = None
    """Sent as it is, so that two calls may share one; None makes a unique one for each request."""
    fragment: int | None = 4
    """Characters of the arguments a token; None sends the whole call in one token, as some providers do."""

    @property
    def text(self) -> str:
        """The whole arguments."""
        return self.arguments if isinstance(self.arguments, str) else "".join(self.arguments)

    @property
    def fragments(self) -> tuple[str, ...]:
        """The arguments as they are cut for streaming, the opening token aside."""
        if isinstance(self.arguments, tuple):
            return self.arguments
        if self.fragment is None:
            return ()
        return tuple(
            self.arguments[at : at + self.fragment] for at in range(0, len(self.arguments), self.fragment)
        )


@dataclass(frozen=True)
class Usage:
    """The numbers of the usage chunk, in tokens."""

    prompt: int = 20
    completion: int = 10
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer of the server; the functions below build the common ones."""

    pieces: tuple[str, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    interleaved: bool = False
    """The fragments of several calls alternate by index."""
    same_index: bool = False
    """All calls carry the index 0, as of some servers; only their ids tell them apart."""
    ids: Literal["first", "every", "never"] = "first"
    """Which tokens of a tool call carry its id."""
    finish_reason: str | None = "auto"
    """"auto": "tool_calls" or "stop" by content; None: never sent."""
    role: Literal["first_token", "at_once", "never"] = "first_token"
    """When the role chunk goes: just before the first token, at once after the headers, or not at all."""
    usage: Usage | None = field(default_factory=Usage)
    """None: no numbers, even when the request asks for them."""
    force_usage: bool = False
    done: bool = True
    """Whether `data: [DONE]` ends the stream."""

    header_delay: float = 0.0
    first_token_delay: float = 0.0
    token_delay: float = 0.0
    hold_before_headers: Gate | None = None
    hold_before_first_token: Gate | None = None
    hold_after: int | None = None
    gate: Gate = field(default_factory=Gate)
    """Where `hold_after` waits."""
    hold_before_done: Gate | None = None
    """Between the finish reason and usage and `[DONE]`."""
    pings: bool = False
    """A `: ping` comment before each token."""
    ping_every: float | None = None
    """Seconds between `: ping` comments in all waits after the headers: bytes flow, tokens do not."""

    drop_before_headers: bool = False
    drop_before_first_token: bool = False
    drop_after: int | None = None
    drop_how: Literal["reset", "close"] = "reset"
    drop_half: bool = False
    """With `drop_after`: half of the next event's bytes still go out."""
    malformed_at: int | None = None
    wrong_shape_at: int | None = None
    error_chunk_at: int | None = None
    """An error object inside the stream, which ends it."""
    empty_choices_at: tuple[int, ...] = ()
    split_bytes: int | None = None
    """Bytes an HTTP chunk: cuts lines and characters anywhere."""
    newline: str = "\n"

    status: int = 200
    body: str | None = None
    """The whole body of an answer that is not a completion."""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        """Refuse a fault that could never happen: a test of it would pass for nothing."""
        if self.body is not None:
            return
        positions = {
            name: position
            for name in ("drop_after", "malformed_at", "wrong_shape_at", "error_chunk_at", "hold_after")
            if (position := getattr(self, name)) is not None
        }
        positions |= {f"empty_choices_at[{n}]": position for n, position in enumerate(self.empty_choices_at)}
        for name, position in positions.items():
            if not 0 <= position <= self.token_count:
                raise ValueError(f"{name}={position} is outside a reply of {self.token_count} tokens")

    @property
    def token_count(self) -> int:
        """How many tokens the reply streams."""
        return len(self.pieces) + sum(1 + len(call.fragments) for call in self.calls)

    @property
    def finish(self) -> str | None:
        """The finish reason that is sent."""
        if self.finish_reason == "auto":
            return "tool_calls" if self.calls else "stop"
        return self.finish_reason

    def but(self, **changes: Any) -> Self:
        """Return the same reply with other fields."""
        return replace(self, **changes)


Answer = Reply | Callable[[dict[str, Any]], Reply]
"""A reply, or a function that makes it from the request's body in the server's thread; it must not wait."""


def text(
    content: str | Sequence[str], *, by: Literal["words", "characters"] = "words", **fields: Any
) -> Reply:
    """Return a reply that says `content`, cut into words or characters; a list gives the very pieces."""
    return Reply(pieces=cut(content, by), **fields)


def tool_calls(
    calls: Sequence[ToolCall],
    *,
    content: str | Sequence[str] = (),
    by: Literal["words", "characters"] = "words",
    **fields: Any,
) -> Reply:
    """Return a reply that calls tools, after `content` when there is any."""
    return Reply(pieces=cut(content, by), calls=tuple(calls), **fields)


def paced(first: float = 0.3, every: float = 0.02, tokens: int = 200, **fields: Any) -> Reply:
    """Return a reply at a real model's pace: seconds to the first token, seconds between, how many."""
    pieces = tuple(f"word{n} " for n in range(tokens))
    return Reply(pieces=pieces, first_token_delay=first, token_delay=every, **fields)


def cut(content: str | Sequence[str], by: Literal["words", "characters"]) -> tuple[str, ...]:
    """Return the pieces of `content`; they join to it again, each word with the blank before it."""
    if not isinstance(content, str):
        return tuple(content)
    return tuple(content if by == "characters" else re.findall(r"\s*\S+|\s+", content))
