"""Speak the preambles of a reply's tool calls in their order, each as soon as it may be heard."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..model.stream.call_assembly import CallAssembly, GatheredCall
from ..speech.speech import Speaker
from ..speech.spoken_text import SpokenText


@dataclass(slots=True)
class _Preamble:
    words: SpokenText = field(default_factory=SpokenText)
    waiting: str = ""
    """What may not be spoken yet: an earlier call's preamble comes first."""
    begun: bool = False


class SpokenPreambles:
    """The preambles of one reply: feed it what the arguments of its calls gain."""

    def __init__(
        self, speaker: Speaker, assembly: CallAssembly, say: Callable[[str], Awaitable[str]]
    ) -> None:
        self._speaker = speaker
        self._assembly = assembly
        self._say = say
        self._preambles: dict[GatheredCall, _Preamble] = {}
        self._done: set[GatheredCall] = set()
        self._begin = 0
        """Place of the first call that may still have something to say."""

    async def feed(self, call: GatheredCall, arguments: str) -> None:
        """Take in what a call's arguments gained, and speak what it completes."""
        self._add(call, call.preamble.feed(arguments))
        if call in self._done:  # Other arguments came in place of the first ones.
            self._begin = 0
        await self._speak()

    async def close(self) -> None:
        """Speak what is left, when all arguments have come."""
        self._assembly.end()
        for call in self._assembly.calls:
            self._add(call, call.preamble.close(call.parsed()))
        self._begin = 0
        await self._speak()

    def _add(self, call: GatheredCall, text: str) -> None:
        preamble = self._preambles.setdefault(call, _Preamble())
        if text:
            preamble.waiting += preamble.words.feed(text)
        if call.preamble.finished:
            preamble.waiting += preamble.words.close()

    async def _speak(self) -> None:
        """Speak the preambles in the order of their calls, one whole sentence after the other."""
        for call in self._assembly.calls_from(self._begin):
            if not self._assembly.settle(call):
                return  # It may be an earlier call once more: then its preamble was spoken.
            preamble = self._preambles.setdefault(call, _Preamble())
            if not (call.dropped or (call in self._done and not preamble.waiting)):
                await self._speak_one(call, preamble)
                if not call.preamble.finished:
                    return
            self._done.add(call)
            self._begin += 1

    async def _speak_one(self, call: GatheredCall, preamble: _Preamble) -> None:
        if preamble.waiting:
            if not preamble.begun:
                preamble.begun = True
                self._speaker.begin_sentence()
            text, preamble.waiting = preamble.waiting, ""
            await self._say(text)
        if call.preamble.finished and preamble.begun:
            self._speaker.begin_sentence()
