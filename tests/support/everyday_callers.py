"""Callers of one key who name no thread and say everyday words, and what became of their turns."""

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import BaseMessage
from starlette.datastructures import Headers

from voicegraph.graph.server.chat.chat_request import read_chat_request
from voicegraph.nodes import Speech
from voicegraph.nodes.testing import ScriptedReply
from voicegraph.nodes.text.words import bare_words
from voicegraph.state import Actor

WORDS = (
    *("Yes.", "No.", "Hello", "Okay.", "Thanks.", "What?", "Yes, please.", "Hm."),
    *("Tomorrow.", "For two.", "At seven.", "Good bye."),
)
REPLIES = (
    *("Yes.", "Yes, of course.", "Okay.", "Sure.", "For how many?", "At what time?", "Anything else?"),
    *("I see. And when?", "Hello! How can I help you?", "Hello! How can I help you today?"),
    *("Done, it is booked.", "Sorry, could you say that again?"),
)
GREETINGS = ("", "", "Hello, this is Nina.", "Good morning!")
FEW = 7
Told = list[dict[str, str]]

Style = Literal["all", "plain", "drafts", "few", "no greeting"]
"""What a client sends: all that was said, replies without punctuation, requests before the words are final,
the last few messages, all but a greeting of the agent's own."""
STYLES: tuple[Style, ...] = ("all", "all", "all", "plain", "drafts", "few", "no greeting")
EXACT = ("all", "plain", "drafts")
"""Styles of clients that send all that was said."""


@dataclass
class Tally:
    """Later turns of clients that send all, those that found their thread, and what must not happen."""

    later: int = 0
    found: int = 0
    wrong: list[str] = field(default_factory=list[str])
    owners: dict[str, int] = field(default_factory=dict[str, int])


class Replies:
    """A model with few words; some of its replies wait in the middle until they are let go."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.held: list[asyncio.Event] = []

    def __call__(self, _: list[BaseMessage]) -> ScriptedReply:
        """Return a reply to anything."""
        reply = ScriptedReply(text=self._dice.choice(REPLIES))
        if self._dice.random() > 0.1:
            return reply
        self.held.append(asyncio.Event())
        words = len(reply.text.split())
        return ScriptedReply(text=reply.text, hold=self.held[-1], hold_after=max(1, words - 1))

    def let_go(self) -> None:
        """Let all replies that wait go on."""
        while self.held:
            self.held.pop().set()


@dataclass
class Caller:
    """One caller, who calls again and again: what was said and heard in this call, and on which thread."""

    number: int
    servers: Sequence[Any]
    """The `ServedTurns` of each process."""
    replies: Replies
    tally: Tally
    dice: random.Random
    told: Told = field(default_factory=list[dict[str, str]])
    thread: str = ""
    left: int = 0
    """Turns until the end of the call."""
    style: Style = "all"

    @property
    def sends_all(self) -> bool:
        """True when the client sends all that was said."""
        return self.style in EXACT

    async def turn(self) -> list[Told]:
        """Say something, hear some of the reply; return the conversations with which the model was asked."""
        asked: list[Told] = []
        if not self.left:
            asked.append(await self._call())
        self.left -= 1
        words = self.dice.choice(WORDS)
        if self.style == "drafts" and self.dice.random() < 0.5:
            asked.append([*self.told, {"role": "user", "content": words[: self.dice.randint(2, len(words))]}])
            await self._ask(asked[-1], 0)
        self.told = [*self.told, {"role": "user", "content": words}]
        asked.append(self.told)
        self._hear(await self._ask(self.told, self.dice.choice([99] * 9 + [2, 1, 0])))
        return asked

    async def _call(self) -> Told:
        """Begin a call, perhaps with a greeting of the client or of the agent."""
        self.style, self.left = self.dice.choice(STYLES), self.dice.choice([1, 3, 6, 12, 24])
        self.told, self.thread = [], ""
        if self.style == "no greeting":
            self._hear(await self._ask([{"role": "system", "content": "Greet the caller."}], 99))
            self.thread = ""
        elif greeting := self.dice.choice(GREETINGS):
            self._hear(greeting)
        return []

    def _hear(self, reply: str) -> None:
        if reply:
            self.told = [*self.told, {"role": "assistant", "content": reply}]

    def _sent(self, told: Told) -> Told:
        """Return the messages of a request."""
        if self.style == "few":
            return told[-FEW:]
        if self.style == "no greeting":
            return told[1:] or told
        if self.style == "plain":
            return [{**message, "content": _plain(message)} for message in told]
        return told

    async def _ask(self, told: Told, words: int) -> str:
        """Return the first words of the reply."""
        body = json.dumps({"messages": self._sent(told), "stream": True}).encode()
        server = self.dice.choice(self.servers)
        turn = await server.of_request(Actor(), "default", read_chat_request(body, Headers()))
        self._count(turn.thread_id)
        said: list[str] = []
        async with aclosing(turn.events()) as events:
            async for event in events:
                if isinstance(event, Speech):
                    said.append(event.content)
                    if len(said) > words or self.replies.held:
                        break
        if not self.replies.held:  # Else the client has not noticed yet that the caller speaks again.
            turn.part()
        return "".join(said[:words]).strip()

    def _count(self, thread_id: str) -> None:
        owner = self.tally.owners.setdefault(thread_id, self.number)
        if owner != self.number:
            self.tally.wrong.append(f"caller {self.number} is on a thread of caller {owner}")
        if self.thread:
            self.tally.later += self.sends_all
            self.tally.found += self.sends_all and thread_id == self.thread
        self.thread = thread_id


def is_told(prompt: list[tuple[str, str]], conversation: Told, *, all_told: bool) -> bool:
    """Return whether a prompt holds what was said in a conversation, up to its end, and nothing else.

    The window of a client that sends little may lack words that are said again and again.
    """
    words = [(message["role"], bare_words(message["content"])) for message in conversation]
    if all_told:
        return words[len(words) - len(prompt) :] == prompt
    rest = iter(words)
    return all(each in rest for each in prompt)


def asked(messages: list[BaseMessage]) -> list[tuple[str, str]]:
    """Return roles and words of what the model was asked, without its system prompt."""
    roles = {"human": "user", "ai": "assistant"}
    return [(roles.get(message.type, message.type), bare_words(message.text)) for message in messages[1:]]


def _plain(message: dict[str, str]) -> str:
    """Return a message as a client writes it that keeps no punctuation of replies."""
    text = message["content"]
    if message["role"] == "user":
        return text
    return "  ".join("".join(sign for sign in text.lower() if sign.isalnum() or sign == " ").split())
