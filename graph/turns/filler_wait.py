"""The filler that the caller hears during a turn's long wait for its thread."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from langchain_core.runnables import RunnableConfig

from ...nodes.context import Context
from ...nodes.replies.filler import fill_silence
from ...nodes.turn.events import Event, Speech
from ..threads.running import TurnRun
from .stream_parts import spoken_part


@asynccontextmanager
async def wait_with_filler(
    run: TurnRun, live: Context, config: RunnableConfig, options: Mapping[str, Any]
) -> AsyncGenerator[None]:
    """Speak the filler once while the body waits for the run's thread, as in any other silence.

    LangGraph's own run starts after the wait, so the filler is added to the run's stream here: as an event in
    `custom` mode, as a chunk of the first reply in `messages` mode. A stopped run says nothing, nor does one
    that resumes a crashed turn, whose reply started before.
    """
    speaker = live.speaker
    if live.resumed or speaker.spoken:
        yield
        return
    reply_id = str(uuid4())

    def tell(event: Event) -> None:
        run.tell(event)
        metadata = config.get("metadata", {})
        if isinstance(event, Speech):
            part = spoken_part(event.content, options, id=reply_id, metadata=metadata)
            if part is not None:
                run.tell(part)

    speaker.attach_ahead(tell, reply_id)
    try:
        async with fill_silence(live, until=lambda: run.stop.requested):
            yield
    finally:
        await speaker.detach()
