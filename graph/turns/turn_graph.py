"""LangGraph's compiled graph, with every run a turn of a thread, one at a time."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Self, cast

from anyio.from_thread import BlockingPortal
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.graph.state import CompiledStateGraph
from pydantic import BaseModel, Field

from ...nodes.context import Context
from ...nodes.turn.turn_facts import note_facts
from ...state.agents.thread_keys import actor_of_call, thread_key
from ...state.errors import InvalidInput, InvalidSetting
from ...state.schema import VoiceInput, VoiceOutput, VoiceState
from ..clients.incoming import turn_input
from ..resources import Resources
from ..threads.open_turn import OpenTurn
from ..threads.owner import OwnedThread
from ..threads.running import TurnRun
from .adapter_side_calls import side_answer
from .broken_turn import ended_in_words
from .filler_wait import wait_with_filler
from .live_context import live_context
from .stream_parts import carries_only_events, encoded
from .turn_config import call_of, config_of_call, new_messages_only, turn_config
from .unfinished_turn import close_crashed, go_on

log = logging.getLogger(__name__)


class ToolInput(BaseModel):
    """The arguments of a tool made from the graph."""

    messages: list[Any] = Field(
        description='The messages to the agent, such as [{"role": "user", "content": "Hello"}].'
    )


class TurnGraph(CompiledStateGraph[VoiceState, Any, VoiceInput, VoiceOutput]):
    """A compiled graph whose runs are turns.

    Use it as any LangGraph graph: `ainvoke`, `astream`, `aget_state`, `aget_state_history` (`invoke`,
    `stream` and so on when the resources were opened by `open_resources_sync`). A run whose listener leaves,
    by `break` or by cancelling its task, is interrupted and stored.
    """

    def __init__(self, *, resources: Resources, **compiled: Any) -> None:
        super().__init__(**compiled)
        self.resources = resources

    @classmethod
    def over(cls, graph: CompiledStateGraph[Any, Any, Any, Any], resources: Resources) -> Self:
        """Return `graph` with its runs as turns over these resources."""
        return cls(resources=resources, **{**vars(graph), "checkpointer": resources.checkpointer})

    def copy(self, update: dict[str, Any] | None = None) -> Self:
        """Return a copy with some attributes changed; a turn always has a checkpointer, by default ours.

        `langgraph dev` removes it for runs without a thread.
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

        `input` is `{"messages": [...]}` with the user's message, or `None` to resume a turn that a crash cut
        off. A turn continues from the end of its thread: `checkpoint_id` may name only that (`InvalidInput`);
        use `fork` for earlier ones. As a node of another graph, or inside one, `messages` are those that the
        turn has added, which suits `add_messages`; otherwise they are the whole window.

        Raises `InvalidMessage`, `AgentNotFound`, `ThreadTaken`, `ThreadBusy` before anything is stored. If
        the model fails, an apology is spoken and the turn ends as failed; the error is raised only with the
        setting `raise_errors`.
        """
        config, nested = turn_config(self.config, config)
        if nested and not options.get("stream_mode"):
            options["stream_mode"] = "values"  # As LangGraph does: it is what the node returns.
        call = call_of(config, context)
        side = None if nested else await side_answer(self, self.resources, input, call, options)
        parts = side or (await self._begin(input, config, context=context, **options)).listen()
        async with aclosing(parts):
            async for part in parts:
                part = encoded(part, options)
                if part is not None:
                    yield new_messages_only(part) if nested else part

    async def begin_turn(
        self,
        input: Any,
        config: RunnableConfig | None = None,
        *,
        context: Any = None,
        watch: Callable[[Any], None] | None = None,
        **options: Any,
    ) -> TurnRun:
        """Start a turn in its own task and return it; listen to it with `TurnRun.listen`.

        The turn's events come as objects, or as dicts with several stream modes. `watch` is called with each
        part of its stream, with or without listeners.
        """
        config, _ = turn_config(self.config, config)
        return await self._begin(input, config, context=context, watch=watch, **options)

    async def _begin(
        self,
        input: Any,
        config: RunnableConfig,
        *,
        context: Any,
        watch: Callable[[Any], None] | None = None,
        **options: Any,
    ) -> TurnRun:
        resources = self.resources
        resources.store.database.opened_in.check()
        now = resources.clock.now()
        call = call_of(config, context)
        thread_id = str(call.get("thread_id") or "")
        if not thread_id:
            raise InvalidSetting('a turn needs a thread: {"configurable": {"thread_id": "call-42"}}')
        config, actor = config_of_call(config, call), actor_of_call(call)
        await self._require_head(config)
        if input is not None:
            input = turn_input(input, resources.settings, now)
        agent = str(call.get("agent") or "")
        await resources.known.admit(actor, agent, thread_id)
        key, history = thread_key(actor, thread_id), input.get("history", ()) if input else ()
        run = TurnRun(key, history, watch, resources.clock)
        run.only_events = carries_only_events(options)
        run.instructions = input["turn"].get("client_instructions", "") if input else ""
        live = live_context(resources, run, actor, thread_id, agent, resumed=input is None, came_at=now)
        run.waiting = partial(wait_with_filler, run, live, config, options)
        resources.threads.enter(run)
        work = run.drive(
            lambda: ended_in_words(self._turn(run, live, input, config, **options), run, live, options)
        )
        resources.background.start(work).add_done_callback(lambda _: resources.threads.leave(run))
        return run

    async def _turn(
        self, run: TurnRun, live: Context, input: Any, config: RunnableConfig, **options: Any
    ) -> AsyncGenerator[Any]:
        """Yield the parts of LangGraph's own run, with exclusive use of the thread."""
        resources = self.resources
        agent, _ = await resources.known.claim(live.actor, live.agent, live.thread_id)
        note_facts(agent=agent)
        run.claimed.set()
        ours = self.checkpointer is resources.checkpointer  # `langgraph dev` has its own.
        async with resources.owner.acquire(run, live) as held:
            agent, known = await held.known(live)
            graph, live = held.prepare(self, live)
            live = replace(live, agent=agent)
            turn_id = input["turn"]["id"] if input else None
            turn = OpenTurn(resources.owner.journaling, held, live, turn_id, enabled=ours)
            known, left = await turn.take(known)
            live = turn.context(live)
            with turn:
                if input is None:
                    await go_on(graph, live, config, turn, left)
                elif known != "warm":
                    await close_crashed(graph, config, known, turn, left)
                resources.known.begun(run.thread_id)
                async for part in graph._parts(run, live, input, config, held, **options):
                    yield part
        if run.errors and live.limits.raise_errors:
            raise run.errors[-1]

    def steps(self, live: Context, input: Any, config: RunnableConfig, **options: Any) -> AsyncIterator[Any]:
        """Run LangGraph's own steps, on a thread that the caller has for itself, and yield their stream."""
        return super().astream(input, config, context=live, **options)

    async def _parts(
        self,
        run: TurnRun,
        live: Context,
        input: Any,
        config: RunnableConfig,
        held: OwnedThread,
        **options: Any,
    ) -> AsyncIterator[Any]:
        """Yield the parts of LangGraph's own run, and clean up after it."""
        memory = live.read_ahead()
        steps = 4 * live.limits.max_steps + 10
        config = {**config, "recursion_limit": max(steps, config.get("recursion_limit", 0))}
        each_step = options.get("durability") != "exit"
        try:
            with self.resources.checkpointer.turn_on(
                live.thread_key, each_step=each_step, is_empty=held.is_empty
            ):
                await held.read(config)
                memory.add_done_callback(lambda done: done.cancelled() or done.exception() or run.begun.set())
                async for part in self.steps(live, input, config, **options):
                    yield part
            self.resources.indexing.wake()
            await held.end()
        except BaseException:
            self.resources.known.forget(live.thread_key)
            raise

    async def _require_head(self, config: RunnableConfig) -> None:
        """Raise `InvalidInput` for a run from an old checkpoint.

        LangGraph would run it on the same thread: tools with side effects would run again, and the window
        would lose what was said since.
        """
        named = config.get("configurable", {}).pop("checkpoint_id", None)
        if not named:
            return
        head = (await self.aget_state(config)).config.get("configurable", {})
        if named != head.get("checkpoint_id"):
            raise InvalidInput(
                "a turn continues from the end of its thread, not from an old checkpoint: make a new thread "
                "from that with fork(graph, thread_id, checkpoint_id)"
            )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Show the graph in a notebook, drawn locally: LangGraph would request the picture from a server."""
        from ..pictures.draw import draw_graph

        picture = draw_graph(self)
        drawn = picture._repr_svg_()  # pyright: ignore[reportPrivateUsage]
        text = {"text/plain": repr(picture)}
        return text if drawn is None else {**text, "image/svg+xml": drawn}

    def as_tool(
        self,
        args_schema: type[BaseModel] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        arg_types: dict[str, type] | None = None,
    ) -> BaseTool:
        """Return a LangChain tool that runs a turn on the thread of its config or of the graph around it."""
        if args_schema is None and arg_types is None:
            # LangChain would derive one from the state's messages, which accepts no message at all.
            args_schema = ToolInput
        return super().as_tool(args_schema, name=name, description=description, arg_types=arg_types)

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
        self.resources.store.database.opened_in.check_process()
        if self.resources.portal is None:
            raise InvalidSetting(
                "invoke and stream need open_resources_sync; with asyncio use ainvoke and astream"
            )
        return self.resources.portal
