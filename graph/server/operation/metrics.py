"""Metrics for operators: the speed, cost and outcome of turns."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from ....nodes.turn.events import Event, ToolFinished, TurnFailed, TurnFinished
from ....state.errors import StorageError
from ....state.usage import Usage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Callers notice delays from about 0.3 s on and give up after a few seconds: buckets are narrow there.
_FIRST_SPEECH = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0, 12.0)
_TURN = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 30.0, 60.0, 120.0)
_TOOL = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


class Metrics:
    """The metrics of one application, or of all that share a folder."""

    def __init__(self, running: Callable[[], int], shared: Path | None = None) -> None:
        """Start counting; `running` returns the number of running turns.

        `shared` is the folder in which several processes count together. The environment variable that the
        library reads must have been set to it before this module was imported.
        """
        self._running, self._shared = running, shared
        registry = self._registry = CollectorRegistry()
        self._first_speech = Histogram(
            "voicegraph_first_speech_seconds",
            "From the user's message to the first word.",
            buckets=_FIRST_SPEECH,
            registry=registry,
        )
        self._turn = Histogram(
            "voicegraph_turn_seconds",
            "From the user's message to the last word.",
            ["outcome"],
            buckets=_TURN,
            registry=registry,
        )
        self._tool = Histogram(
            "voicegraph_tool_seconds",
            "How long tools ran.",
            ["tool", "status"],
            buckets=_TOOL,
            registry=registry,
        )
        self._tokens = Counter(
            "voicegraph_tokens",
            "Tokens of the models; cached ones count as input too.",
            ["kind"],
            registry=registry,
        )
        self._failures = Counter(
            "voicegraph_failures",
            "Failed turns, by error code.",
            ["error"],
            registry=registry,
        )
        self._crashed = Counter(
            "voicegraph_crashed_turns",
            "Turns that a crash cut off, found and recorded.",
            registry=registry,
        )
        self._answers = Counter(
            "voicegraph_http_responses", "Responses by status.", ["status"], registry=registry
        )
        self._storing = Counter(
            "voicegraph_storage_failures",
            "Failed database reads and writes, by error code.",
            ["error"],
            registry=registry,
        )
        self._going_on = Gauge(
            "voicegraph_running_turns",
            "Running turns.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    async def watch(self) -> None:
        """Publish the number of running turns to the other processes each second."""
        while self._shared is not None:
            self._going_on.set(self._running())
            await asyncio.sleep(1)

    def note(self, event: Event) -> None:
        """Count an event of a turn; events without time or cost are ignored."""
        match event:
            case ToolFinished():
                self._tool.labels(event.name, event.status).observe(event.seconds)
            case TurnFinished():
                self._note_turn(event.finish_reason, event)
            case TurnFailed():
                self.turn_failed(event.error)
                self._note_turn("failed", event)
            case _:
                pass

    def note_crashed(self, turns: int) -> None:
        """Count turns that a crash cut off."""
        self._crashed.inc(turns)

    def turn_failed(self, error: str) -> None:
        """Count a failed turn, started or not; `error` is a code."""
        self._failures.labels(error).inc()

    def answered(self, status: int) -> None:
        """Count a response."""
        self._answers.labels(str(status)).inc()

    def storage_failed(self, error: StorageError) -> None:
        """Count a failed database read or write."""
        self._storing.labels(error.code).inc()

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        self._going_on.set(self._running())
        if self._shared is None:
            return generate_latest(self._registry)
        sums = CollectorRegistry()
        MultiProcessCollector(sums, str(self._shared))
        return generate_latest(sums)

    def _note_turn(self, outcome: str, event: TurnFinished | TurnFailed) -> None:
        self._turn.labels(outcome).observe(event.seconds)
        if event.first_speech_seconds is not None:
            self._first_speech.observe(event.first_speech_seconds)
        self._note_usage(event.usage)

    def _note_usage(self, usage: Usage) -> None:
        self._tokens.labels("input").inc(usage["input_tokens"])
        self._tokens.labels("output").inc(usage["output_tokens"])
        self._tokens.labels("cached").inc(usage["cached_tokens"])
