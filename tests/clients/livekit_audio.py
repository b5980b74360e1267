"""A phone call of LiveKit's without a phone: what is heard and said are words, and time passes by itself."""

import asyncio
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, LanguageCode, stt, tts
from livekit.agents.llm import LLM
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities

RATE = 16000
TURNS: Any = {"turn_detection": "stt", "endpointing": {"min_delay": 0.05, "max_delay": 0.05}}
"""Speech-to-text says when a turn ends, as with most of its providers."""


class ScriptedSTT(stt.STT):
    """Speech-to-text that hears what the test tells it."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self._heard: asyncio.Queue[stt.SpeechEvent] = asyncio.Queue()

    def hear(self, kind: stt.SpeechEventType, words: str = "") -> None:
        """Send one event to the session."""
        said = [stt.SpeechData(text=words, language=LanguageCode("en"), confidence=1.0)] if words else []
        self._heard.put_nowait(stt.SpeechEvent(type=kind, alternatives=said))

    def stream(self, **options: Any) -> stt.RecognizeStream:
        return _Stream(self, self._heard, options["conn_options"])

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError


class _Stream(stt.RecognizeStream):
    def __init__(self, parent: ScriptedSTT, heard: asyncio.Queue[stt.SpeechEvent], options: Any) -> None:
        super().__init__(stt=parent, conn_options=options)
        self._heard = heard

    async def _run(self) -> None:
        while True:
            self._event_ch.send_nowait(await self._heard.get())


class Silence(tts.TTS):
    """Text-to-speech that makes a tenth of a second of silence of each sentence."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1)
        self.spoken: list[str] = []

    def synthesize(self, text: str, **options: Any) -> tts.ChunkedStream:
        self.spoken.append(text)
        return _Sound(tts=self, input_text=text, conn_options=options["conn_options"])


class _Sound(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id="silence", sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(b"\0\0" * (RATE // 10))
        output_emitter.flush()


class Loudspeaker(AudioOutput):
    """Plays a reply at once; while `holding`, until it is interrupted: then `heard` is what was played."""

    def __init__(self) -> None:
        super().__init__(label="test", capabilities=AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self.holding = False
        self.heard: str | None = None
        self.all_in = asyncio.Event()
        self._pushed = 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._pushed:
            self.on_playback_started(created_at=0)
        self._pushed += frame.duration

    def flush(self) -> None:
        super().flush()
        self.all_in.set()
        if self._pushed and not self.holding:
            self._finish(interrupted=False)

    def clear_buffer(self) -> None:
        if self._pushed:
            self._finish(interrupted=True)

    def _finish(self, *, interrupted: bool) -> None:
        played, self._pushed = self._pushed, 0.0
        heard = self.heard if interrupted else None
        position = played if heard or not interrupted else 0.0
        self.on_playback_finished(
            playback_position=position, interrupted=interrupted, synchronized_transcript=heard
        )


class _Microphone(AudioInput):
    def __init__(self) -> None:
        super().__init__(label="test")

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.Event().wait()
        raise AssertionError


class Call:
    """A session, and the caller in it."""

    def __init__(self, llm: LLM, **options: Any) -> None:
        self.stt, self.tts, self.loudspeaker = ScriptedSTT(), Silence(), Loudspeaker()
        options = {"turn_handling": TURNS, "aec_warmup_duration": None, **options}
        self.session = AgentSession[None](stt=self.stt, tts=self.tts, llm=llm, vad=None, **options)
        self.llm = llm
        self.errors: list[Any] = []
        self.replies: list[str] = []
        self.session.on("error", self.errors.append)
        self.session.on("conversation_item_added", self._note)
        self.changed = asyncio.Event()
        self.session.on("agent_state_changed", lambda _: self.changed.set())

    def _note(self, event: Any) -> None:
        if event.item.type == "message" and event.item.role == "assistant":
            self.replies.append(event.item.text_content)
        self.changed.set()

    async def __aenter__(self) -> "Call":
        self.session.input.audio = _Microphone()
        self.session.output.audio = self.loudspeaker
        await self.session.start(Agent(instructions="You are on the phone."))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.aclose()
        await self.llm.aclose()

    def drafts(self, words: str) -> None:
        """Let speech-to-text guess the caller's words; LiveKit asks the model for an answer to each guess."""
        self.stt.hear(stt.SpeechEventType.START_OF_SPEECH)
        self.stt.hear(stt.SpeechEventType.PREFLIGHT_TRANSCRIPT, words)

    def says(self, words: str) -> None:
        """Let the caller say something to its end."""
        self.stt.hear(stt.SpeechEventType.START_OF_SPEECH)
        self.stt.hear(stt.SpeechEventType.FINAL_TRANSCRIPT, words)
        self.stt.hear(stt.SpeechEventType.END_OF_SPEECH, words)

    async def interrupt_in_playback(self, words: str, *, heard: str) -> None:
        """Interrupt the reply once all of it has come: who made it can know of that by the next request."""
        self.loudspeaker.holding, self.loudspeaker.heard = True, heard
        self.says(words)
        await self.loudspeaker.all_in.wait()
        self.loudspeaker.holding = False
        await self.session.interrupt()

    async def reply(self, number: int, within: float = 20) -> str:
        """Return the reply of that number, from 1, as soon as it is over."""
        await self.until(
            lambda: len(self.replies) >= number and self.session.agent_state == "listening", within
        )
        return self.replies[number - 1]

    async def until(self, ready: Any, within: float = 20) -> None:
        """Wait until `ready()`, looked at whenever the agent's state or the conversation changes."""
        async with asyncio.timeout(within):
            while not ready():
                self.changed.clear()
                await self.changed.wait()
