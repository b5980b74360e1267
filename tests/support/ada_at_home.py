"""Ada's agent and thread in a store, and her messages: the types of the fixtures `home` and `say`."""

from collections.abc import Callable
from dataclasses import dataclass

from voicegraph.state.agents.actors import Actor
from voicegraph.state.agents.agents import Agent
from voicegraph.state.conversations.message_rows import MessageRecord
from voicegraph.state.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Ada's agent and her thread `call-1`."""

    store: Store
    actor: Actor
    agent: Agent
    thread_id: str
    key: str
    """What the thread is stored under."""


Say = Callable[..., MessageRecord]
"""Makes a message of the user from an id, words and other fields."""
