"""What a process knows about threads: whose they are, and how well it knows their checkpoints."""

import asyncio
from collections import OrderedDict
from typing import Literal
from weakref import WeakValueDictionary

from ...state.agents.actors import Actor
from ...state.agents.agents import DEFAULT_AGENT
from ...state.agents.thread_keys import thread_key
from ...state.store import Store
from .running import Threads

MOST_KNOWN_THREADS = 20_000
"""Threads whose owner a process caches (about 10 MB); for others it asks the database again."""

_MOMENT = 0.25
"""Seconds for which a thread is tried to be created before it is looked up."""

Known = Literal["warm", "cold", "new"]
"""`warm`: this process ran the thread's last turn. `cold`: an earlier or another one did. `new`: none did."""

_Claimed = tuple[str, str, Literal["cold", "new"]]
"""A thread's agent, as it was asked for, and by id; and how well the thread is known."""


class KnownThreads:
    """The threads that this process has served, by key."""

    def __init__(self, store: Store, threads: Threads) -> None:
        self.heads: dict[str, str] = {}
        """The newest checkpoint of each thread, as this process's last turn left it."""
        self._store, self._threads = store, threads
        self._agents: dict[tuple[Actor, str], str] = {}
        """Ids of agents by name or id. One that was deleted since gets no threads."""
        self._owners: OrderedDict[str, tuple[Actor, str, str]] = OrderedDict()
        self._not_begun: dict[str, Literal["cold", "new"]] = {}
        self._admitting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def claim(
        self, actor: Actor, agent: str, thread_id: str, *, is_new: bool | None = None
    ) -> tuple[str, Known]:
        """Claim the thread for this agent of this actor; return the agent, and how well the thread is known.

        An empty `agent` means the thread's own, or the default one for a new thread. Asks the database once
        per thread: owners never change. Callers that have already looked pass `is_new`. Raises
        `AgentNotFound`, `ThreadTaken`.
        """
        key = thread_key(actor, thread_id)
        owner = self._owners.get(key)
        if owner is not None and self._is_owner(actor, agent, key):
            self._owners.move_to_end(key)
            return owner[1], self._not_begun.get(key, "warm")
        made = None
        if is_new is not False and (actor, agent or DEFAULT_AGENT) in self._agents:
            is_new, made = None, await self._made(actor, agent or DEFAULT_AGENT, thread_id)
        agent, owner_id, known = made or await self._looked_up(actor, agent, thread_id, is_new)
        if key not in self._owners:  # A concurrent request may have started its turn by now.
            self._not_begun[key] = known
        self._owners[key] = (actor, agent, owner_id)
        self._forget_the_oldest()
        return agent, known

    async def _made(self, actor: Actor, agent: str, thread_id: str) -> _Claimed | None:
        """Create the thread of an agent that this process knows, unless the id is taken.

        A thread that exists can be read while the database cannot be written: so this is tried for a moment.
        """
        agent_id = self._agents[actor, agent]
        adding = asyncio.ensure_future(self._store.threads.add(actor, agent_id, thread_id))
        adding.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({adding}, timeout=_MOMENT)
        if adding.done() and adding.exception() is None and adding.result():
            return agent, agent_id, "new"
        return None

    async def _looked_up(self, actor: Actor, agent: str, thread_id: str, is_new: bool | None) -> _Claimed:
        """Find out whose the thread is, and create it if it is new."""
        await self._store.actors.ensure(actor)
        if is_new is None:
            found = (await self._store.threads.agents_of(actor, [thread_id])).get(thread_id)
            is_new, agent = found is None, agent or (found[1] if found else DEFAULT_AGENT)
        if agent == DEFAULT_AGENT:
            owner_id = (await self._store.agents.ensure_default(actor)).id
        else:
            owner_id = (await self._store.agents.get(actor, agent)).id
        await self._store.threads.claim(actor, owner_id, thread_id)
        self._agents[actor, agent] = owner_id
        if len(self._agents) > MOST_KNOWN_THREADS:
            del self._agents[next(iter(self._agents))]
        return agent, owner_id, "new" if is_new else "cold"

    async def admit(self, actor: Actor, agent: str, thread_id: str) -> None:
        """Wait until a new turn may stop the thread's running one; raise if it is another agent's.

        Waits while the owner of the running turn is being looked up; waiters proceed in order. Raises what
        `claim` does.
        """
        key = thread_key(actor, thread_id)
        running = self._threads.running(key)
        if running is None and key not in self._owners:
            return  # There is nothing to stop.
        if key not in self._admitting and self._is_owner(actor, agent, key):
            return
        async with self._admitting.setdefault(key, asyncio.Lock()):
            if running is not None:
                await running.claimed.wait()
            await self.claim(actor, agent, thread_id)

    def owns(self, actor: Actor, agent: str, thread_id: str) -> bool:
        """Return whether the thread of this name or key is known to belong to this agent of this actor."""
        return self._owners.get(thread_key(actor, thread_id), ())[:2] == (actor, agent)

    def owner_ids(self, key: str) -> tuple[str, str, str] | None:
        """Return the ids of the thread's organization, user and agent, as far as they are known here."""
        owner = self._owners.get(key)
        return None if owner is None else (owner[0].organization_id, owner[0].user_id, owner[2])

    def begun(self, key: str) -> None:
        """Note that a turn has started on the thread: this process now knows its checkpoints."""
        self._not_begun.pop(key, None)

    def cool_down(self) -> None:
        """Treat every thread as `cold`: another process may have run turns since."""
        self._not_begun = {**dict.fromkeys(self._owners, "cold"), **self._not_begun}

    def forget(self, key: str) -> None:
        """Drop what is cached about the thread, after it was deleted or a run failed."""
        self._owners.pop(key, None)
        self.heads.pop(key, None)
        self._not_begun.pop(key, None)

    def _is_owner(self, actor: Actor, agent: str, key: str) -> bool:
        owner = self._owners.get(key)
        return owner is not None and owner[0] == actor and agent in ("", owner[1])

    def _forget_the_oldest(self) -> None:
        if len(self._owners) > MOST_KNOWN_THREADS:
            idle = (known for known in self._owners if self._threads.running(known) is None)
            self.forget(next(idle, ""))
