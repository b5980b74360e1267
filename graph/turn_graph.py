"""LangGraph's compiled graph, of which every run is a turn of a thread, one at a time."""

import logging
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self, cast

from anyio.from_thread import BlockingPortal
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import merge_configs
from langgraph.graph import END, START
from langgraph.graph.state import CompiledStateGraph

from ..nodes.context import Context
from ..nodes.speech import Speaker
from ..state.actors import Actor
from ..state.checkpoints import turn_on, until_written
from ..state.errors import InvalidInput, InvalidSetting, NothingToResume, StorageError
from ..state.schema import VoiceInput, VoiceOutput, VoiceState
from .broken_turn import ended_in_words
from .held_thread import HeldThread, held_thread
from .incoming import turn_input
from .resources import Resources
from .threads import TurnRun

log = logging.getLogger(__name__)


class TurnGraph(CompiledStateGraph[VoiceState, Any, VoiceInput, VoiceOutput]):
    """A compiled graph whose runs are turns.

    Use it as any LangGraph graph: `ainvoke`, `astream`, `aget_state`, `aget_state_history` (`invoke`,
    `stream` and so on when the resources were opened by `open_resources_sync`). A run that its listener
    leaves, by `break` or by cancelling its task, is interrupted and stored.
    """

    def __init__(self, *, resources: Resources, **compiled: Any) -> None:
        super().__init__(**compiled)
        self.resources = resources

    @classmethod
    def over(cls, graph: CompiledStateGraph[Any, Any, Any, Any], resources: Resources) -> Self:
        """Return `graph` with its runs as turns over these resources."""
        return cls(resources=resources, **vars(graph))

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        """Return a copy with some attributes changed; a turn always has a checkpointer, ours if no other.

        `langgraph dev` takes it away for runs without a thread.
        """
        changed = dict(update or {})
        if changed.get("checkpointer") is None:
            changed.pop("checkpointer", None)
        return super().copy(changed)

    async def astream(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        **options: Any,
    ) -> AsyncGenerator[Any]:
        """Run a turn and yield its stream, in any of LangGraph's stream modes.

        `input` is `{"messages": [...]}` with the user's words, or `None` to go on with a turn that a crash
        left. A turn goes on from the end of its thread: `checkpoint_id` may only name that (`InvalidInput`),
        see `fork` for earlier ones. Raises `InvalidMessage`, `AgentNotFound`, `ThreadTaken`, `ThreadBusy`
        before anything is kept. A model that fails is spoken of and ends the turn as failed; its error is
        raised after that only with the setting `raise_errors`.
        """
        run = await self.begin_turn(input, config, context=context, **options)
        listener = run.listen()
        try:
            async for part in listener:
                yield part
        finally:
            await listener.aclose()

    async def begin_turn(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        watch: Callable[[Any], None] | None = None,
        **options: Any,
    ) -> TurnRun:
        """Start a turn as a task of its own and return it; listen to it by `TurnRun.listen`.

        `watch` is called with each part of its stream, whoever listens.
        """
        resources = self.resources
        config = _own_config(self.config, config)
        now = resources.clock.now()
        call = {**config.get("configurable", {}), **_as_mapping(context)}
        thread_id = str(call.get("thread_id") or "")
        if not thread_id:
            raise InvalidSetting('a turn needs a thread: {"configurable": {"thread_id": "call-42"}}')
        await self._require_head(config)
        if input is not None:
            input = turn_input(input, resources.settings, now)
        actor = Actor(str(call.get("organization", "default")), str(call.get("user", "default")))
        agent = str(call.get("agent") or "")
        if resources.is_claimed(thread_id):
            await resources.claim(actor, agent, thread_id)  # A stranger must not stop the running turn.
        run = TurnRun(thread_id, input.get("history", ()) if input else (), watch)
        live = Context(
            store=resources.store,
            models=resources.models,
            toolbox=resources.toolbox,
            limits=resources.settings,
            clock=resources.clock,
            speaker=Speaker(resources.clock),
            background=resources.background,
            actor=actor,
            agent=agent,
            thread_id=thread_id,
            resumed=input is None,
            firm_at=now + resources.settings.speculative_grace if run.history else 0.0,
            writer=run.tell if options == {"stream_mode": "custom"} else None,
            consolidate=resources.consolidator.wake,
            stop=run.stop,
            failure=run.failure,
        )
        resources.threads.enter(run)
        work = run.drive(
            lambda: ended_in_words(self._turn(run, live, input, config, **options), live, options)
        )
        resources.background.start(work).add_done_callback(lambda _: resources.threads.leave(run))
        return run

    async def _turn(
        self, run: TurnRun, live: Context, input: Any, config: RunnableConfig, **options: Any
    ) -> AsyncGenerator[Any]:
        """Yield the parts of LangGraph's own run, with the thread for itself."""
        agent, known = await self.resources.claim(live.actor, live.agent, live.thread_id)
        ours = self.checkpointer is self.resources.checkpointer  # `langgraph dev` brings one of its own.
        async with held_thread(self.resources, run, live) as held:
            if held is not None:
                agent, known = await held.known(self.resources, live, known)
                live, config = held.context(live), held.config(config)
            elif ours:
                live = replace(
                    live, written=lambda: until_written(self.resources.checkpointer, run.thread_id)
                )
            live = replace(live, agent=agent)
            if input is None:
                await self._go_on(live, config, held)
            elif known != "warm":
                await self._close_crashed(config, known, held)
            self.resources.begun(live.thread_id)
            memory = live.read_ahead()
            steps = 4 * live.limits.max_steps + 10
            config = {**config, "recursion_limit": max(steps, config.get("recursion_limit", 0))}
            with turn_on(self.resources.checkpointer, live.thread_id) as kept:
                if input is not None and ours:
                    live.speaker.hold_until(kept)
                if held is not None:
                    await held.read(config)
                    memory.add_done_callback(
                        lambda done: done.cancelled() or done.exception() or run.begun.set()
                    )
                async for part in self._parts(live, input, config, held, **options):
                    yield part
        if live.failure.error is not None and live.limits.raise_errors:
            raise live.failure.error

    async def _parts(
        self, live: Context, input: Any, config: RunnableConfig, held: HeldThread | None, **options: Any
    ) -> AsyncIterator[Any]:
        """Yield the parts of LangGraph's own run, and clear up behind it."""
        try:
            async for part in super().astream(input, config, context=live, **options):
                yield part
            self.resources.index()
            if held is None:
                await self.resources.prune(live.thread_id)
            else:
                await held.end(self.resources)
        except sqlite3.Error as error:
            self.resources.forget_thread(live.thread_id)
            raise StorageError(
                f"the checkpoints could not be read or written ({error}): try again"
            ) from error
        except BaseException:
            self.resources.forget_thread(live.thread_id)
            raise

    async def _go_on(self, live: Context, config: RunnableConfig, held: HeldThread | None) -> None:
        """Make ready to go on with a turn that a crash left.

        Raises `NothingToResume` when another process has ended it in between.
        """
        state = await self.aget_state(config)
        if held is not None and not state.next:
            raise NothingToResume(f"the turn of thread '{live.thread_id}' has ended")
        values = state.values
        # Before its first step a turn waits as input: what is in the state is the one before.
        if "turn" in values and state.next != (START,):
            live.speaker.resume(values["turn"]["spoken"], values["turn"]["first_speech_at"])

    async def _require_head(self, config: RunnableConfig) -> None:
        """Raise `InvalidInput` for a run from an old checkpoint.

        LangGraph would run it on the same thread: tools with side effects would run again, and what the
        thread said since would be lost from its window.
        """
        named = config.get("configurable", {}).pop("checkpoint_id", None)
        if not named:
            return
        head = (await self.aget_state(config)).config.get("configurable", {})
        if named != head.get("checkpoint_id"):
            raise InvalidInput(
                "a turn goes on from the end of its thread, not from an old checkpoint: make a new thread "
                "from that with fork(graph, thread_id, checkpoint_id)"
            )

    async def _close_crashed(self, config: RunnableConfig, known: str, held: HeldThread | None) -> None:
        """Keep what a crashed run had finished: new input would discard steps whose checkpoint is missing.

        Checkpoints of turns that were stored, on a thread that is new or has no messages, are those of a
        thread that was deleted: nobody may hear of it any more.
        """
        if held is not None and held.lease.head is None:
            return
        state = await self.aget_state(config)
        deleted = known == "new" if held is None else not held.lease.facts.said
        if deleted and state.values.get("stored_through"):
            saver = self.resources.checkpointer if held is None else held.saver
            await saver.adelete_thread(config.get("configurable", {})["thread_id"])
        elif state.next:
            await self.aupdate_state(config, None, as_node=END)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Show the graph in a notebook, drawn on this machine: LangGraph would ask a server for a picture."""
        from .draw import draw_graph

        picture = draw_graph(self)
        drawn = picture._repr_svg_()  # pyright: ignore[reportPrivateUsage]
        text = {"text/plain": repr(picture)}
        return text if drawn is None else {**text, "image/svg+xml": drawn}

    def invoke(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Run a turn from a script without asyncio; see `ainvoke`."""
        portal = self._portal()

        async def run() -> Any:
            return cast(Any, await self.ainvoke(input, config, **options))

        return portal.call(run)

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Run a turn from a script without asyncio and yield its stream; see `astream`."""
        portal = self._portal()
        parts = self.astream(input, config, **options)
        end = object()

        async def following() -> Any:
            return await anext(parts, end)

        try:
            while (part := portal.call(following)) is not end:
                yield part
        finally:
            portal.call(parts.aclose)

    def _portal(self) -> BlockingPortal:
        if self.resources.portal is None:
            raise InvalidSetting(
                "invoke and stream need open_resources_sync; with asyncio use ainvoke and astream"
            )
        return self.resources.portal


def _own_config(bound: RunnableConfig | None, given: RunnableConfig | None) -> RunnableConfig:
    """Return what was bound by `with_config` and what was given, without the keys of a graph around this one.

    A turn has a thread and checkpoints of its own, also as a node of another graph.
    """
    config = merge_configs(bound, given)
    own = {
        key: value
        for key, value in config.get("configurable", {}).items()
        if not key.startswith("__pregel_") and key not in ("checkpoint_ns", "checkpoint_map")
    }
    return {**config, "configurable": own}


def _as_mapping(context: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], context) if isinstance(context, Mapping) else {}
