"""A Pipecat bot whose LLM is `voicegraph serve`: python pipecat_bot.py "Hello!" "Who am I?"

It talks in text. On a phone put `transport.input(), stt` before the pipeline's user aggregator and
`tts, transport.output()` behind its LLM, as in every bot of Pipecat's; nothing else changes.
"""

import asyncio
import os
import sys
import uuid

from pipecat.frames.frames import LLMFullResponseEndFrame, LLMMessagesAppendFrame, LLMTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.workers.runner import WorkerRunner

URL = os.environ.get("VOICEGRAPH_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("VOICEGRAPH_KEY", "none")  # `voicegraph keys create`; on loopback there need be none.


def new_llm(thread_id: str, agent: str = "default", url: str = URL) -> OpenAILLMService:
    """Return the service whose model is an agent of voicegraph; Pipecat itself names no conversation."""
    return OpenAILLMService(
        base_url=f"{url}/v1",
        api_key=KEY,
        default_headers={"X-Thread-Id": thread_id},
        settings=OpenAILLMService.Settings(model=agent),
    )


class Printer(FrameProcessor):
    """Stands where text-to-speech would; tells when a reply is over."""

    def __init__(self) -> None:
        super().__init__()
        self.replied = asyncio.Event()

    async def process_frame(self, frame, direction) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            print(frame.text, end="", flush=True)
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame):
            print()
            self.replied.set()


async def main(*said: str) -> None:
    """Say each text and print the reply."""
    heard, remembered = LLMContextAggregatorPair(LLMContext())
    printer = Printer()
    pipeline = Pipeline([heard, new_llm(f"pipecat-{uuid.uuid4().hex}"), printer, remembered])
    worker = PipelineWorker(pipeline)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    for words in said:
        printer.replied.clear()
        message = {"role": "user", "content": words}
        await worker.queue_frame(LLMMessagesAppendFrame([message], run_llm=True))
        await printer.replied.wait()
    await worker.stop_when_done()
    await running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
