"""Speak the preambles of a reply's tool calls in order, each as soon as possible."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..model.stream.call_assembly import CallAssembly, GatheredCall
from ..speech.speech import Speaker
from ..speech.spoken_text import SpokenText


@dataclass(slots=True)
class _Preamble:
    words: SpokenText = field(default_factory=SpokenText)
    waiting: str = ""
    """A preamble that must wait for those of earlier calls."""
    begun: bool = False


class SpokenPreambles:
    """The preambles of one reply: feed it the new text of its calls' arguments."""

    def __init__(
        self, speaker: Speaker, assembly: CallAssembly, say: Callable[[str], Awaitable[str]]
    ) -> None:
        self._speaker = speaker
        self._assembly = assembly
        self._say = say
        self._preambles: dict[GatheredCall, _Preamble] = {}
        self._done: set[GatheredCall] = set()
        self._begin = 0
        """Index of the first call whose preamble may be incomplete."""

    async def feed(self, call: GatheredCall, arguments: str) -> None:
        """Process new text of a call's arguments, and speak what it completes."""
        self._add(call, call.preamble.feed(arguments))
        if call in self._done:  # Other arguments have replaced the first ones.
            self._begin = 0
        await self._speak()

    async def close(self) -> None:
        """Speak the rest, once all arguments have arrived."""
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
        """Speak the preambles in the order of their calls, one complete sentence after the other."""
        for call in self._assembly.calls_from(self._begin):
            if not self._assembly.settle(call):
                return  # It may repeat an earlier call, whose preamble has been spoken.
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
