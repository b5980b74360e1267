"""A pipeline of Pipecat's with a caller at one end and a loudspeaker at the other; both are words."""

import asyncio
from collections.abc import Callable
from typing import Any

from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesAppendFrame,
    LLMTextFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.utils.text.base_text_aggregator import TextType
from pipecat.workers.runner import WorkerRunner


class Loudspeaker(FrameProcessor):
    """Plays each word as it comes, so that it goes into the context; at most `audible` of the next ones."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[str] = []
        self.audible: int | None = None
        self.changed = asyncio.Event()
        self.reply = ""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self.reply += frame.text
            if self.audible is None or self.audible > 0:
                self.audible = None if self.audible is None else self.audible - 1
                word = TTSTextFrame(frame.text, TextType.WORD)
                word.includes_inter_frame_spaces = True
                await self.push_frame(word, direction)
        elif isinstance(frame, LLMFullResponseEndFrame):
            if self.reply:
                self.replies.append(self.reply)
            self.reply = ""
            if self.audible is None:
                await self.push_frame(frame, direction)
        else:
            await self.push_frame(frame, direction)
        self.changed.set()


class End(FrameProcessor):
    """Stands behind everything that an interruption must reach before the caller's words count."""

    def __init__(self) -> None:
        super().__init__()
        self.interrupted = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self.interrupted.set()


class PipecatCall:
    """A running pipeline, and the caller in it."""

    def __init__(self, llm: OpenAILLMService, **context: Any) -> None:
        self.llm, self.context = llm, LLMContext(**context)
        self.loudspeaker, self.end = Loudspeaker(), End()
        user, assistant = LLMContextAggregatorPair(self.context)
        self.worker = PipelineWorker(Pipeline([user, llm, self.loudspeaker, assistant, self.end]))
        self.errors: list[ErrorFrame] = []

        @self.worker.event_handler("on_pipeline_error")
        async def note(_: Any, frame: ErrorFrame) -> None:
            self.errors.append(frame)

    async def __aenter__(self) -> "PipecatCall":
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self.worker)
        self._running = asyncio.create_task(runner.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.worker.cancel()
        await self._running
        await self.llm._client.close()

    async def says(self, words: str) -> None:
        """Let the caller say something; what is still playing is interrupted."""
        self.end.interrupted.clear()
        await self.worker.queue_frame(InterruptionFrame())
        await self.end.interrupted.wait()
        message: Any = {"role": "user", "content": words}
        await self.worker.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))

    async def reply(self, number: int, within: float = 20) -> str:
        """Return the reply of that number, from 1, as soon as all of it has come."""
        await self.until(lambda: len(self.loudspeaker.replies) >= number, within)
        return self.loudspeaker.replies[number - 1]

    async def until(self, ready: Callable[[], bool], within: float = 20) -> None:
        """Wait until `ready()`, looked at after each frame."""
        async with asyncio.timeout(within):
            while not ready():
                self.loudspeaker.changed.clear()
                await self.loudspeaker.changed.wait()
