"""What the caller hears: speech events in `custom` mode, message chunks in `messages` mode."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager
from langchain_core.callbacks.manager import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, LLMResult
from langgraph.config import get_config
from langgraph.types import StreamWriter

from .clock import Clock
from .events import Speech, encode_event

_OPEN, _CLOSE = "<think>", "</think>"
LONGEST_WAIT = 1.0
"""Seconds that a first word waits until the caller's words are kept."""


class ThoughtFilter:
    """Take `<think>...</think>` out of text that comes in fragments: thoughts are never spoken.

    The blanks behind a thought go with it, unless they part two words.
    """

    def __init__(self) -> None:
        self._pending = ""
        self._thinking = False
        self._last = " "
        self._skip_blanks = False

    def feed(self, fragment: str) -> str:
        """Return the speakable text that is certain now; what may be the start of a tag waits."""
        if "<" not in fragment and not (self._pending or self._thinking or self._skip_blanks):
            self._last = fragment[-1:] or self._last
            return fragment
        self._pending += fragment
        speakable = ""
        while (tag := _CLOSE if self._thinking else _OPEN) in self._pending:
            before, _, self._pending = self._pending.partition(tag)
            speakable += self._outside(before)
            self._thinking = not self._thinking
            self._skip_blanks = self._last.isspace()
        cut = len(self._pending) - _tag_start(self._pending, tag)
        certain, self._pending = self._pending[:cut], self._pending[cut:]
        return speakable + self._outside(certain)

    def close(self) -> str:
        """Return the rest when the reply ends; a thought that was never closed stays unspoken."""
        rest, self._pending = self._pending, ""
        return self._outside(rest)

    def _outside(self, text: str) -> str:
        """Return the text if it is no thought."""
        if self._thinking:
            return ""
        if self._skip_blanks:
            text = text.lstrip()
        if text:
            self._skip_blanks = False
            self._last = text[-1]
        return text


def _tag_start(text: str, tag: str) -> int:
    """Return how many characters at the end of `text` may be the beginning of `tag`."""
    return next((size for size in range(len(tag) - 1, 0, -1) if text.endswith(tag[:size])), 0)


class Speaker:
    """The one way to the caller's ear in a run: every word that goes out passes here.

    It joins separate sentences with a blank, remembers all that was spoken in the turn, and when. One
    object serves one run; each step that speaks attaches its stream to it first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._writer: StreamWriter | None = None
        self._listener: AsyncCallbackManagerForLLMRun | None = None
        self._reply_id = ""
        self._new_sentence = False
        self.spoken = ""
        """All text of the turn so far."""
        self.first_speech_at: float | None = None
        """Seconds since the epoch."""
        self.quiet_since = time.monotonic()
        """When the last text went out, or the run began; in seconds of the monotonic clock."""
        self._filled = False
        self._kept: asyncio.Event | None = None

    def hold_until(self, kept: asyncio.Event) -> None:
        """Say nothing before the caller's words are `kept`: a crash behind the first word must not lose them.

        They nearly always are by then: a model thinks longer than a write takes. A slow disk makes nobody
        wait for longer than a second.
        """
        self._kept = kept

    def resume(self, spoken: str, first_speech_at: float | None) -> None:
        """Go on after a crash: `spoken` is what the turn had said by its last checkpoint."""
        self.spoken, self.first_speech_at = spoken, first_speech_at
        self._new_sentence = True

    async def attach(self, writer: StreamWriter, reply_id: str) -> None:
        """Send what is said from now on to this step's streams, as parts of the message `reply_id`."""
        self._writer, self._reply_id, self._new_sentence = writer, reply_id, True
        self._listener = await _messages_listener()

    async def detach(self) -> None:
        """Close the step's message stream; nothing may be said until the next `attach`."""
        if self._listener is not None:
            await self._listener.on_llm_end(LLMResult(generations=[[]]))
        self._writer = self._listener = None

    def begin_sentence(self) -> None:
        """Put a blank between what was said and what comes next."""
        self._new_sentence = True

    async def fill(self, sentence: str) -> None:
        """Speak a filler sentence, once until the next word that is not one."""
        if not self._filled:
            self.begin_sentence()
            await self.say(sentence)
            self.begin_sentence()
            self._filled = True

    async def say(self, text: str) -> str:
        """Speak `text` at once; return what went out, with the blank before it when one was needed."""
        if not text or self._writer is None:
            return ""
        if self.first_speech_at is None and self._kept is not None and not self._kept.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._kept.wait(), LONGEST_WAIT)
        if self._new_sentence and self.spoken and not (self.spoken[-1].isspace() or text[0].isspace()):
            text = " " + text
        self._new_sentence = False
        self.spoken += text
        self._filled = False
        self.quiet_since = time.monotonic()
        if self.first_speech_at is None:
            self.first_speech_at = self._clock.now()
        self._writer(encode_event(Speech(content=text)))
        if self._listener is not None:
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=text, id=self._reply_id))
            await self._listener.on_llm_new_token(text, chunk=chunk)
        return text


async def _messages_listener() -> AsyncCallbackManagerForLLMRun | None:
    """Return where spoken text goes for LangGraph's `messages` mode, `None` when nobody listens.

    The model's own callbacks cannot serve: they carry thoughts and no preambles. All speech of a turn is
    announced as `call_llm`'s, the one node that hosts speak, fillers during a tool included.
    """
    config = get_config()
    callbacks: Any = config.get("callbacks")
    if callbacks is None or not getattr(callbacks, "handlers", None):
        return None
    metadata = {**(config.get("metadata") or {}), "langgraph_node": "call_llm"}
    manager = AsyncCallbackManager.configure(inheritable_callbacks=callbacks, inheritable_metadata=metadata)
    runs = await manager.on_chat_model_start({"name": "speech"}, [[]])
    return runs[0]
