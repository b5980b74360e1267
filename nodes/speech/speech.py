"""What the caller hears: speech events in `custom` mode, message chunks in `messages` mode."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from ..turn.clock import Clock
from ..turn.events import Event, Speech
from ..turn.model_callbacks import only, streams_runs

LONGEST_WAIT = 1.0
"""Maximum seconds that the first word waits until the beginning of its turn is stored."""


class Speaker:
    """The only path to the caller in a run: every spoken word passes through it.

    It separates sentences with a blank, and remembers everything spoken in the turn, with the time. One
    object serves one run; each step that speaks attaches its stream first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._writer: Callable[[Event], None] | None = None
        self._listener: AsyncCallbackManagerForLLMRun | None = None
        self._reply_id = ""
        self._attached_at = 0
        self._ahead_id: str | None = None
        self._new_sentence = False
        self.spoken = ""
        """All spoken text of the turn so far."""
        self.answered = 0
        """Length of `spoken` up to the last word that is not a filler."""
        self.first_speech_at: float | None = None
        """Seconds since the epoch."""
        self.quiet_since = time.monotonic()
        """Monotonic time of the last text, or of the start of the run, in seconds."""
        self._filled = False
        self._kept: Callable[[], Awaitable[None]] | None = None

    def hold_until(self, kept: Callable[[], Awaitable[None]]) -> None:
        """Say nothing before `kept` returns: then a crash loses neither the user's message nor the turn.

        It nearly always does at once: a model takes longer than a write. On a slow disk the wait for it is
        limited to a second.
        """
        self._kept = kept

    def resume(self, spoken: str, first_speech_at: float | None) -> None:
        """Resume after a crash: `spoken` is what the turn had said by its last checkpoint."""
        self.spoken, self.answered, self.first_speech_at = spoken, len(spoken), first_speech_at
        self._new_sentence = True

    async def attach(self, writer: Callable[[Event], None], reply_id: str) -> None:
        """From now on send speech to this step's streams, as parts of the message `reply_id`."""
        self._writer, self._reply_id, self._new_sentence = writer, reply_id, True
        self._attached_at = len(self.spoken)
        self._listener = await _messages_listener()
        if reply_id == self._ahead_id and self._listener is not None:
            # LangGraph must know the id, or it would stream a message without additions again.
            await self._token(self._listener, "")
        self._ahead_id = None

    def attach_ahead(self, writer: Callable[[Event], None], reply_id: str) -> None:
        """Send speech before the first step to `writer`, as the start of the first reply."""
        self._writer, self._ahead_id = writer, reply_id

    def begin_reply(self) -> tuple[str, int]:
        """Return the id of a new reply and its offset in `spoken`, with speech before the first step."""
        if self._ahead_id is not None and self.spoken:
            return self._ahead_id, 0
        return str(uuid4()), len(self.spoken)

    async def detach(self) -> None:
        """Close the step's message stream; nothing may be said until the next `attach`."""
        if self._listener is not None:
            said = AIMessage(self.spoken[self._attached_at :], id=self._reply_id)
            result = LLMResult(generations=[[ChatGeneration(message=said)] if said.content else []])
            await self._listener.on_llm_end(result)
        self._writer = self._listener = None

    def begin_sentence(self) -> None:
        """Separate the next speech by a blank."""
        self._new_sentence = True

    async def fill(self, sentence: str) -> None:
        """Speak a filler sentence, at most once before the next word that is not a filler."""
        before = len(self.spoken)
        if self._kept is not None:
            await self._until_kept(self._kept)
        if not self._filled and len(self.spoken) == before:  # No word was spoken meanwhile.
            self.begin_sentence()
            answered = self.answered
            await self.say(sentence)
            self.answered = answered
            self.begin_sentence()
            self._filled = True

    def note(self, text: str) -> None:
        """Record text that reaches the caller outside the steps' streams."""
        self.spoken += text

    async def say(self, text: str) -> str:
        """Speak `text` at once; return what was sent, including a separating blank."""
        if not text or self._writer is None:
            return ""
        if self._kept is not None:
            await self._until_kept(self._kept)
        if self._new_sentence and self.spoken and not (self.spoken[-1].isspace() or text[0].isspace()):
            text = " " + text
        self._new_sentence = False
        self.spoken += text
        self.answered = len(self.spoken)
        self._filled = False
        self.quiet_since = time.monotonic()
        if self.first_speech_at is None:
            self.first_speech_at = self._clock.now()
        self._writer(Speech(content=text))
        if self._listener is not None:
            await self._token(self._listener, text)
        return text

    async def _until_kept(self, kept: Callable[[], Awaitable[None]]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_WAIT):
                await kept()
        self._kept = None

    async def _token(self, listener: AsyncCallbackManagerForLLMRun, text: str) -> None:
        chunk = ChatGenerationChunk(message=AIMessageChunk(content=text, id=self._reply_id))
        await listener.on_llm_new_token(text, chunk=chunk)


async def _messages_listener() -> AsyncCallbackManagerForLLMRun | None:
    """Return the target of spoken text for `messages` mode and `astream_events`, `None` without listeners.

    The model's own callbacks are unsuitable: they carry thoughts and no preambles. All speech of a turn is
    reported as `call_llm`'s, the only node that hosts speak, including fillers during a tool.
    """
    config: RunnableConfig = var_child_runnable_config.get() or {}
    callbacks: Any = only(config.get("callbacks"), streams_runs)
    if not getattr(callbacks, "handlers", callbacks):
        return None
    metadata = {**(config.get("metadata") or {}), "langgraph_node": "call_llm"}
    manager = AsyncCallbackManager.configure(inheritable_callbacks=callbacks, inheritable_metadata=metadata)
    runs = await cast(AsyncCallbackManager, only(manager, streams_runs)).on_chat_model_start(
        {"name": "speech"}, [[]]
    )
    return runs[0]
