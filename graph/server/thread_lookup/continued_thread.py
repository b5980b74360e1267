"""Find the thread that a request without a thread id continues, by its history."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ....nodes.window.matching.same_conversation import continued_one
from ....state.agents.actors import Actor
from ....state.errors import AgentNotFound
from ...turns.turn_graph import TurnGraph
from .client_conversation import ClientConversation
from .thread_candidates import Candidates, find_candidates

_MOST_LOOKS = 5
"""Maximum number of lookups while other requests start turns on the thread."""
_LATE, _PAUSE = 2.0, 0.05
"""Seconds to wait for another process to store what it has spoken, and between two checks."""


class ContinuedThreads:
    """Finds the threads that requests without a thread id continue; one request at a time takes each.

    The history must contain a reply of ours that only one recent thread can have given (see `agreement`). If
    two threads match, or not all could be checked, it continues none: a new thread adopts the history.
    """

    def __init__(self, graph: TurnGraph) -> None:
        self._graph = graph
        self._taken: dict[str, asyncio.Event] = {}

    async def take(self, actor: Actor, agent: str, messages: Sequence[Any]) -> str | None:
        """Return the key of the thread that a history continues; `release` it once its turn has started.

        `None` if there is none. Waits while another request is starting a turn there, since its messages may
        contradict the history. Raises `StorageError`.
        """
        resources = self._graph.resources
        told = ClientConversation.read(messages, resources.settings.message_buffer_limit)
        if told is None:
            return None
        for _ in range(_MOST_LOOKS):
            with resources.threads.watching() as begun:
                try:
                    found = await _candidates(self._graph, actor, agent, told)
                except AgentNotFound:  # The default agent is created by its first turn.
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
        """Let other requests take the thread."""
        self._taken.pop(thread_id).set()


async def _candidates(graph: TurnGraph, actor: Actor, agent: str, told: ClientConversation) -> Candidates:
    """Return the candidate threads, once other processes have stored what they have spoken.

    What they store too late is not seen.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + (_LATE if graph.resources.owner.is_shared else 0.0)
    found = await find_candidates(graph, actor, agent, told)
    while found.late and continued_one(found.agreements, all_seen=False) is None and loop.time() < until:
        await asyncio.sleep(_PAUSE)
        found = await find_candidates(graph, actor, agent, told)
    found.all_seen = found.all_seen and not found.late
    return found
