"""Callers who interrupt, hang up, guess, repeat and add as they like: the model is asked what they heard."""

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai_server import OpenAIServer, Reply
from patience import PATIENCE
from serving import Process, serving

from voicegraph.nodes.window.barge_in.heard import bare_words

WORDS = (
    "yes no maybe book a table for two please what is it thanks hello 😀 مرحبا 你好 ice-cream don't".split()
)
Message = dict[str, str]


def chatter(body: dict[str, Any]) -> Reply:
    """Answer with some words, at some pace."""
    dice = random.Random(str(body["messages"][-1]))
    words = tuple(f"{word} " for word in dice.choices(WORDS, k=dice.choice([1, 2, 3, 5, 8, 15])))
    first, every = dice.choice([0, 0.005, 0.02]), dice.choice([0, 0.002, 0.01])
    return Reply(pieces=words, first_token_delay=first, token_delay=every)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    with OpenAIServer(default=chatter) as backend, serving(tmp_path, backend) as process:
        yield process
        backend.check()


@dataclass
class Client:
    """One of them, and all that it knows of the conversation."""

    client: httpx.AsyncClient
    name: str
    named: bool
    dice: random.Random
    history: list[Message] = field(default_factory=list[Message])

    async def turn(self, number: int) -> list[Message]:
        """Do something with a caller's new words, and return the history that the last request told."""
        words = " ".join([*self.dice.choices(WORDS, k=self.dice.randint(1, 6)), f"{self.name}n{number}"])
        said = {"role": "user", "content": words}
        match self.dice.choice(["listen", "guess", "drop", "repeat", "again", "more", "hang up"]):
            case "guess":
                for _ in range(self.dice.randint(1, 3)):
                    begun = " ".join(words.split()[: self.dice.randint(1, 7)])
                    guess = {"role": "user", "content": begun + self.dice.choice(["", f" {self.name}"])}
                    await self.ask([*self.history, guess], within=0.03)
            case "drop" if self.history:  # The whole reply to the very first words counts as heard.
                await self.ask([*self.history, said], within=0.05)
                return []
            case "again":
                await self.ask([*self.history, said], within=0.03)
            case "more":
                self.history.append({"role": "user", "content": f"And {self.name}m{number}"})
            case "repeat":
                await asyncio.gather(*(self.ask([*self.history, said]) for _ in range(3)))
            case _:
                pass
        told = [*self.history, said]
        await self.hear(said, await self.ask(told), number)
        return told

    async def hear(self, said: Message, reply: list[str], number: int) -> None:
        """Take in what was played of the reply, and perhaps what the client said itself behind it."""
        played = reply[: self.dice.choice([99, 99, self.dice.randint(0, 15)])]
        self.history.append(said)
        if heard := "".join(played).strip():
            self.history.append({"role": "assistant", "content": heard})
        if self.dice.random() < 0.1:
            self.history.append({"role": "assistant", "content": f"Are you there {self.name}a{number}?"})

    async def ask(self, messages: list[Message], within: float | None = None) -> list[str]:
        """Return the pieces of the reply; hang up after so many seconds."""
        body: dict[str, Any] = {"messages": messages, "stream": True}
        headers = {"X-Thread-Id": self.name} if self.named else {}
        pieces: list[str] = []
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(within and self.dice.uniform(0.001, within)),
                self.client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer,
            ):
                assert answer.status_code == 200
                async for line in answer.aiter_lines():
                    for choice in json.loads(line[6:])["choices"] if line.startswith("data: {") else ():
                        pieces.append(choice["delta"].get("content") or "")
        return pieces


def spoken(messages: list[dict[str, Any]]) -> list[list[str]]:
    """Return what was said by turns: replies that follow each other are one, the rest has no words."""
    turns: list[list[str]] = []
    for message in messages:
        words = bare_words(message.get("content") or "")
        if not words or message["role"] not in ("user", "assistant"):
            continue
        if turns and turns[-1][0] == message["role"] == "assistant":
            turns[-1][1] += words
        else:
            turns.append([message["role"], words])
    return turns


@pytest.mark.parametrize("named", [True, False], ids=["with a thread", "without"])
@pytest.mark.parametrize("clients", [4, pytest.param(60, marks=pytest.mark.soak)])
async def test_whatever_a_client_does_the_model_is_asked_what_it_tells(
    server: Process, clients: int, named: bool
) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:

        async def talk(number: int) -> None:
            caller = Client(client, f"c{number}", named, random.Random(number))
            for turn in range(8):
                told = await caller.turn(turn)
                asked = [r for r in server.backend.requests if told and told[-1] in r.messages]
                assert asked or not told
                assert not told or spoken(asked[-1].messages) == spoken(told)

        for first in range(0, clients, 4):
            await asyncio.gather(*map(talk, range(first, first + 4)))
