"""What a caller hears of a speaker, without a graph."""

from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from voicegraph.nodes.speech.speech import Speaker
from voicegraph.nodes.turn.events import Event, Speech


class HandClock:
    """A clock that a test turns by hand."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def now(self) -> float:
        return self.seconds


class Ear:
    """Hears what a speaker says, event by event."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.speaker = Speaker(self.clock)
        self.events: list[Event] = []

    @property
    def heard(self) -> str:
        return "".join(event.content for event in self.events if isinstance(event, Speech))

    async def listen(self, **config: Any) -> Speaker:
        """Attach the speaker, as a step of a graph does, and return it."""
        in_step: RunnableConfig = {"tags": []}
        in_step.update(**config)
        var_child_runnable_config.set(in_step)
        await self.speaker.attach(self.events.append, "reply-1")
        return self.speaker
