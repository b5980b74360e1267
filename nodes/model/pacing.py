"""Timeouts of a model's stream: for silence, and for thinking before the first word."""

import asyncio

from ...state.errors import ModelTimeout
from ..turn.limits import TurnLimits
from .stream.delta import Delta

_STEP = 0.05
"""Precision of a limit in seconds: it is moved at this interval, not at each token."""
AFTER_REASON = 2.0
"""Seconds to wait after a finish reason for usage, or for text from a server that sends it early."""


class Pace:
    """The time limit on the next piece of a stream; use it as the context of the loop over the pieces."""

    def __init__(self, model: str, limits: TurnLimits, first: float | None = None) -> None:
        """Wait `first` seconds for the first data, if none came yet; `model` is named in errors."""
        self._model = model
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._first = first
        self._moved = self._loop.time()
        self._thinking_since: float | None = None
        self._thinks_too_long = False
        self._timeout = asyncio.timeout(limits.stall_timeout if first is None else first)

    async def __aenter__(self) -> "Pace":
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await self._timeout.__aexit__(*error)  # pyright: ignore[reportArgumentType]
        except TimeoutError as late:
            raise ModelTimeout(f"{self._model}: {self._complaint()}") from late

    def moved(self, delta: Delta) -> None:
        """Register a piece: text, calls and thoughts show that the model is working."""
        now = self._loop.time()
        if delta.begins:
            self._thinking_since = None
        elif not (delta.thinking or delta.text):
            return
        elif self._thinking_since is None:
            self._thinking_since = now
        if self._first is not None or now - self._moved > _STEP:
            self._first = None
            self._reschedule(now, self._limits.stall_timeout)

    def ending(self) -> None:
        """Wait only a little longer: the finish reason has arrived."""
        self._reschedule(self._loop.time(), min(AFTER_REASON, self._limits.stall_timeout))
        self._moved = 0.0  # The next word, if any, moves the limit at once.

    def _reschedule(self, now: float, wait: float) -> None:
        self._moved = now
        until = now + wait + _STEP
        if self._thinking_since is not None:
            longest = self._thinking_since + self._limits.thinking_timeout
            self._thinks_too_long = longest < until
            until = min(until, longest)
        self._timeout.reschedule(until)

    def _complaint(self) -> str:
        if self._first is not None:
            return f"no first token within {self._first:.1f} seconds"
        if self._thinking_since is not None and self._thinks_too_long:
            return f"no word within {self._limits.thinking_timeout:g} seconds of thoughts"
        return f"nothing more came for {self._limits.stall_timeout:g} seconds"
