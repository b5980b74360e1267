"""Turn the deltas of one completion into speech as they arrive, and into one message at the end."""

import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata

from ...state.errors import ModelProtocolError
from ...state.usage import Usage
from ..model.stream.call_assembly import MOST_CALLS, CallAssembly
from ..model.stream.delta import MOST_FRAGMENTS, Delta
from ..model.stream.provider_fields import PROVIDER, ProviderFields
from ..speech.speech import Speaker
from ..text.characters import first_half, whole_characters
from ..tools.names import acceptable_name
from .spoken_preambles import SpokenPreambles

BAD_ARGUMENTS = "bad_arguments"
"""Key in a message's `additional_kwargs`: ids of calls whose arguments were not a JSON object."""
SPOKEN = "spoken"
"""Key in a message's `additional_kwargs`: everything spoken for it, if that differs from its content."""
CREATED_AT = "created_at"
"""Key in a message's `additional_kwargs`: seconds since the epoch."""


class Reply:
    """A reply in progress: feed it deltas, then get the message."""

    def __init__(self, speaker: Speaker, offered: Collection[str] = (), longest: int = sys.maxsize) -> None:
        """Speak through `speaker`; `offered` are the names of the offered tools.

        A reply is cut after `longest` characters, with the finish reason `length`.
        """
        self.id, self._start = speaker.begin_reply()
        self.finish_reason: str | None = None
        self.usage = Usage(input_tokens=0, output_tokens=0, cached_tokens=0)
        self.said = ""
        """What this reply has spoken, including preambles."""
        self.size = 0
        """Number of characters of text and tool arguments that the model wrote."""
        self.went_on = False
        """True if text or calls came after a finish reason, which then does not mark the end of the reply."""
        self._speaker, self._longest = speaker, longest
        self._fields = ProviderFields()
        self._whole = False
        self._text = ""
        self._half = ""
        self._calls = CallAssembly(offered)
        self._preambles = SpokenPreambles(speaker, self._calls, self._say)

    @property
    def has_calls(self) -> bool:
        """True if the model called a tool."""
        return bool(self._calls.calls)

    @property
    def is_full(self) -> bool:
        """True if the model wrote more than the limit."""
        return self.size > self._longest

    async def feed(self, delta: Delta) -> None:
        """Process one delta and speak what it adds.

        Raises `ModelProtocolError` for too many calls in a reply.
        """
        if self.finish_reason is not None and delta.begins and not delta.whole:
            self.went_on = True
        if delta.text:
            self.size += len(delta.text)
            await self._feed_text(delta.text if self.size <= self._longest else self._fitting(delta.text))
        if delta.calls:
            await self._feed_calls(delta)
        if delta.extras or delta.blocks:
            self._fields.add(delta.extras, delta.blocks, delta.whole)
        if delta.finish_reason is not None and self.finish_reason != "content_filter":
            self.finish_reason = delta.finish_reason
        if self.size > self._longest and self.finish_reason != "content_filter":
            self.finish_reason = "length"
        if delta.usage is not None:
            self.usage = delta.usage

    async def close(self) -> None:
        """Speak what was held back, at the end of the stream."""
        await self._feed_text("")
        await self._preambles.close()
        self._whole = True

    async def add_sentence(self, sentence: str) -> None:
        """Speak a sentence of our own as the end of this reply."""
        self._speaker.begin_sentence()
        self._text += await self._say(sentence)

    def message(
        self,
        model: str,
        created_at: float,
        used_ids: Collection[str],
        name_of: Callable[[str], str] = acceptable_name,
    ) -> AIMessage:
        """Return the whole reply as a message; `used_ids` are the call ids in use in the window.

        `name_of` maps the name that the model called to that of an offered tool.
        """
        calls: list[ToolCall] = []
        bad: list[str] = []
        own: dict[str, dict[str, Any]] = {}
        for call in self._calls.calls:
            call_id = acceptable_id(call.id)
            if call_id in used_ids or call_id in {known["id"] for known in calls}:
                call_id = acceptable_id(None)
            arguments = call.parsed()
            if arguments is None:
                bad.append(call_id)
            if call.extras:
                own[call_id] = call.extras
            calls.append(ToolCall(name=name_of(call.name), args=arguments or {}, id=call_id))
        fields = self._fields.data(model, own)
        extra = {name: value for name, value in ((BAD_ARGUMENTS, bad), (PROVIDER, fields)) if value}
        return self._message(self._text, calls, model, created_at, extra)

    def spoken_message(self, model: str, created_at: float) -> AIMessage | None:
        """Return a message with only what was spoken, without the calls of a reply that was cut off.

        Provider fields stay only with a complete reply: incomplete thoughts are useless.
        """
        fields = self._fields.data(model) if self._whole else None
        # A filler may have been heard too.
        words = self.said if self.said.strip() else self._speaker.spoken[self._start :]
        if not words.strip():
            return None
        return self._message(words, [], model, created_at, {PROVIDER: fields} if fields else {})

    def _message(
        self, text: str, calls: list[ToolCall], model: str, created_at: float, extra: dict[str, Any]
    ) -> AIMessage:
        text = text.strip()
        all_spoken = self._speaker.spoken[self._start :].strip()
        spoken = {SPOKEN: all_spoken} if all_spoken != text else {}
        return AIMessage(
            id=self.id,
            content=text,
            tool_calls=calls,
            additional_kwargs={CREATED_AT: created_at, **spoken, **extra},
            response_metadata={"model": model, "finish_reason": self.finish_reason},
            usage_metadata=UsageMetadata(
                input_tokens=self.usage["input_tokens"],
                output_tokens=self.usage["output_tokens"],
                total_tokens=self.usage["input_tokens"] + self.usage["output_tokens"],
            ),
        )

    async def _feed_text(self, text: str) -> None:
        """Speak text; without any, speak what waited for the other half of a character."""
        if text.isascii() and text and not self._half:
            self._text += await self._say(text)
            return
        whole = self._half + text
        self._half = first_half(whole) if text else ""
        self._text += await self._say(whole_characters(whole.removesuffix(self._half)))

    async def _feed_calls(self, delta: Delta) -> None:
        self._calls.begin_chunk()
        for fragment in delta.calls[:MOST_FRAGMENTS]:
            self.size += len(fragment.arguments)
            if self.size > self._longest:
                fragment = replace(fragment, arguments=self._fitting(fragment.arguments))
            added = self._calls.add(fragment, whole=delta.whole)
            if added is not None:
                await self._preambles.feed(*added)
        if self._calls.is_full or len(delta.calls) > MOST_FRAGMENTS:
            self.finish_reason = None  # Not a complete reply, whatever its server says.
            raise ModelProtocolError(f"the model called more than {MOST_CALLS} tools in one reply")

    def _fitting(self, text: str) -> str:
        """Return the part of an already counted text that fits into the reply."""
        return text[: max(0, self._longest - self.size + len(text))]

    async def _say(self, text: str) -> str:
        out = await self._speaker.say(text)
        self.said += out
        return out


def acceptable_id(call_id: str | None) -> str:
    """Return a tool-call id that providers accept, a new one if they would refuse it."""
    if call_id and call_id.isascii() and call_id.isprintable() and len(call_id) <= 40:
        return call_id
    return f"call_{uuid4().hex[:32]}"
