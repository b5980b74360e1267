"""Turn the deltas of one completion into speech as they come, and into one message at the end."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import jiter
import orjson
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata

from ..state.schema import Usage
from .characters import first_half, whole_characters
from .delta import CallFragment, Delta
from .preamble import PreambleReader
from .provider_fields import PROVIDER, ProviderFields, merged_fields
from .speech import Speaker, ThoughtFilter
from .tools.names import acceptable_name

BAD_ARGUMENTS = "bad_arguments"
"""Key in a message's `additional_kwargs`: ids of calls whose arguments were not a JSON object."""
SPOKEN = "spoken"
"""Key in a message's `additional_kwargs`: all that went out for it, where that is not its content."""
CREATED_AT = "created_at"
"""Key in a message's `additional_kwargs`: seconds since the epoch."""


@dataclass(slots=True)
class _Call:
    id: str | None = None
    name: str = ""
    arguments: str = ""
    extras: dict[str, Any] = field(default_factory=dict[str, Any])
    preamble: PreambleReader = field(default_factory=PreambleReader)
    waiting: str = ""
    """Preamble that may not be spoken yet: an earlier call's comes first."""


class Reply:
    """One reply of the model in the making: feed it deltas, then ask for the message."""

    def __init__(self, speaker: Speaker) -> None:
        self.id = str(uuid4())
        self.finish_reason: str | None = None
        self.usage = Usage(input_tokens=0, output_tokens=0, cached_tokens=0)
        self.said = ""
        """What this reply spoke, preambles included."""
        self.size = 0
        """Characters that the model wrote, arguments of tools and thoughts included."""
        self._speaker = speaker
        self._start = len(speaker.spoken)
        self._thoughts = ThoughtFilter()
        self._fields = ProviderFields()
        self._whole = False
        self._text = ""
        self._half = ""
        self._calls: list[_Call] = []
        self._open: dict[int, _Call] = {}
        self._speaking = 0

    @property
    def has_calls(self) -> bool:
        """True when the model called a tool."""
        return bool(self._calls)

    async def feed(self, delta: Delta) -> None:
        """Take one delta in and speak what it adds."""
        self.size += len(delta.text) + sum(len(fragment.arguments) for fragment in delta.calls)
        if delta.text:
            await self._feed_text(delta.text)
        for fragment in delta.calls:
            await self._feed_call(fragment)
        if delta.extras or delta.blocks:
            self._fields.add(delta.extras, delta.blocks, delta.whole)
        self.finish_reason = delta.finish_reason or self.finish_reason
        self.usage = delta.usage or self.usage

    async def close(self) -> None:
        """Speak what was held back, when the stream has ended."""
        await self._feed_text("")
        self._text += await self._say(self._thoughts.close())
        for call in self._calls:
            call.preamble.close()
        await self._speak_preambles()
        self._whole = True

    async def add_sentence(self, sentence: str) -> None:
        """Speak a sentence that is not the model's, as the end of this reply."""
        self._speaker.begin_sentence()
        self._text += await self._say(sentence)

    def message(
        self,
        model: str,
        created_at: float,
        used_ids: Collection[str],
        name_of: Callable[[str], str] = acceptable_name,
    ) -> AIMessage:
        """Return the whole reply as a message; `used_ids` are the call ids that are taken in the window.

        `name_of` gives the name of an offered tool for what the model called it.
        """
        calls: list[ToolCall] = []
        bad: list[str] = []
        own: dict[str, dict[str, Any]] = {}
        for call in self._calls:
            call_id = acceptable_id(call.id)
            if call_id in used_ids or call_id in {known["id"] for known in calls}:
                call_id = acceptable_id(None)
            arguments = _arguments(call.arguments)
            if arguments is None:
                bad.append(call_id)
            if call.extras:
                own[call_id] = call.extras
            calls.append(ToolCall(name=name_of(call.name), args=arguments or {}, id=call_id))
        fields = self._fields.data(model, own)
        extra = {name: value for name, value in ((BAD_ARGUMENTS, bad), (PROVIDER, fields)) if value}
        return self._message(self._text, calls, model, created_at, extra)

    def spoken_message(self, model: str, created_at: float) -> AIMessage | None:
        """Return only what was spoken: the calls of a reply that was cut off never came to be.

        The provider's own fields stay with a reply that came to its end; half a thought is worth nothing.
        """
        if not self.said.strip():
            return None
        fields = self._fields.data(model) if self._whole else None
        return self._message(self.said, [], model, created_at, {PROVIDER: fields} if fields else {})

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
        """Speak text; without any, what waited for its other half."""
        if text.isascii() and text and not self._half:
            self._text += await self._say(self._thoughts.feed(text))
            return
        whole = self._half + text
        self._half = first_half(whole) if text else ""
        whole = whole_characters(whole.removesuffix(self._half))
        self._text += await self._say(self._thoughts.feed(whole))

    async def _feed_call(self, fragment: CallFragment) -> None:
        call = self._open.get(fragment.index)
        if call is None or (fragment.name and fragment.id and call.id not in (None, fragment.id)):
            # Some servers give all calls of a reply the index 0: only the id tells them apart.
            call = self._open[fragment.index] = _Call()
            self._calls.append(call)
        call.id = call.id or fragment.id
        call.name = call.name or fragment.name or ""
        if fragment.extras:
            call.extras = merged_fields(call.extras, fragment.extras)
        call.arguments += fragment.arguments
        call.waiting += call.preamble.feed(fragment.arguments)
        await self._speak_preambles()

    async def _speak_preambles(self) -> None:
        """Speak the preambles in the order of their calls, one whole sentence after the other."""
        order = self._calls
        while self._speaking < len(order):
            call = order[self._speaking]
            if call.waiting:
                if not call.preamble.begun:
                    call.preamble.begun = True
                    self._speaker.begin_sentence()
                await self._say(call.waiting)
                call.waiting = ""
            if not call.preamble.finished:
                return
            self._speaking += 1
            if call.preamble.begun:
                self._speaker.begin_sentence()

    async def _say(self, text: str) -> str:
        out = await self._speaker.say(text)
        self.said += out
        return out


def acceptable_id(call_id: str | None) -> str:
    """Return a tool-call id that providers take, a new one for one that they refuse."""
    if call_id and call_id.isascii() and call_id.isprintable() and len(call_id) <= 40:
        return call_id
    return f"call_{uuid4().hex[:32]}"


def _arguments(text: str) -> dict[str, Any] | None:
    """Return the arguments of a call, `None` when they are not a JSON object that a checkpoint can hold."""
    if not text.strip():
        return {}
    try:
        value = jiter.from_json(whole_characters(text).encode(), allow_inf_nan=False)
        orjson.dumps(value)  # Refuses integers of more than 64 bits, as a checkpoint does.
    except (ValueError, TypeError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None
