"""Find the thread that a request without a thread id continues, by its history."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ....nodes.window.matching.same_conversation import continued_one
from ....state.agents.actors import Actor
from ....state.errors import AgentNotFound
from ...turns.turn_graph import TurnGraph
from .thread_candidates import Candidates, look
from .told_conversation import ToldConversation

_MOST_LOOKS = 5
"""Looks for a thread on which other requests begin turns meanwhile."""
_LATE, _PAUSE = 2.0, 0.05
"""Seconds in which another process writes down what it has spoken, and between two looks for it."""


class ContinuedThreads:
    """The threads that requests without a thread id continue, each taken by one request at a time.

    The history must hold a reply of ours that only one recent thread can have given, see `agreement`. When
    two threads fit, or not all could be looked at, it continues none: a new thread takes the history in.
    """

    def __init__(self, graph: TurnGraph) -> None:
        self._graph = graph
        self._taken: dict[str, asyncio.Event] = {}

    async def take(self, actor: Actor, agent: str, messages: Sequence[Any]) -> str | None:
        """Return the thread that a history continues, `None` for none; `release` it once its turn has begun.

        It is given by its key. While another request is about to begin a turn there, or has just begun one,
        nothing is decided: what it says may contradict the history. Raises `StorageError`.
        """
        resources = self._graph.resources
        told = ToldConversation.read(messages, resources.settings.message_buffer_limit)
        if told is None:
            return None
        for _ in range(_MOST_LOOKS):
            with resources.threads.watching() as begun:
                try:
                    found = await _candidates(self._graph, actor, agent, told)
                except AgentNotFound:  # The default agent is made by its first turn.
                    return None
            thread_id = None if found.too_many else continued_one(found.agreements, all_seen=found.all_seen)
            if thread_id is not None and thread_id in self._taken:
                await self._taken[thread_id].wait()
            elif begun & {*found.alike, *found.agreements}:
                continue
            elif thread_id is None:
                return None
            else:
                self._taken[thread_id] = asyncio.Event()
                return thread_id
        return None

    def release(self, thread_id: str) -> None:
        """Let others take the thread."""
        self._taken.pop(thread_id).set()


async def _candidates(graph: TurnGraph, actor: Actor, agent: str, told: ToldConversation) -> Candidates:
    """Return the threads that may be meant, once other processes have written down what they have spoken.

    What they write too late for that is not seen.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + (_LATE if graph.resources.others else 0.0)
    found = await look(graph, actor, agent, told)
    while found.late and continued_one(found.agreements, all_seen=False) is None and loop.time() < until:
        await asyncio.sleep(_PAUSE)
        found = await look(graph, actor, agent, told)
    found.all_seen = found.all_seen and not found.late
    return found
