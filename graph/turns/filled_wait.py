"""The filler that the caller hears while a turn waits long for its thread."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig

from ...nodes.context import Context
from ...nodes.replies.filler import filled_silence
from ..threads.running import TurnRun
from .stream_parts import stream_part


@asynccontextmanager
async def filled_wait(
    run: TurnRun, live: Context, config: RunnableConfig, options: Mapping[str, Any]
) -> AsyncGenerator[None]:
    """Speak the filler once while the body waits for the thread of the run, as in any other silence.

    LangGraph's own run begins after the wait, so the filler goes into the run's stream from here: as an event
    in `custom` mode, as a chunk of the first reply in `messages` mode. A run that was stopped says nothing,
    and neither does one that goes on with a crashed turn, whose reply began before.
    """
    speaker = live.speaker
    if live.resumed or speaker.spoken:
        yield
        return
    reply_id = str(uuid4())

    def tell(event: dict[str, Any]) -> None:
        chunk = AIMessageChunk(content=event["content"], id=reply_id)
        metadata = {**config.get("metadata", {}), "langgraph_node": "call_llm"}
        for mode, data in (("custom", event), ("messages", (chunk, metadata))):
            part = stream_part(mode, data, options)
            if part is not None:
                run.tell(part)

    speaker.attach_ahead(tell, reply_id)
    try:
        async with filled_silence(live, until=lambda: run.stop.requested):
            yield
    finally:
        await speaker.detach()
