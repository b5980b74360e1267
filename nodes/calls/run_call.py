"""Execute one tool call of a reply: once, within its timeout, with a record that survives a crash."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from langchain_core.messages import ToolCall, ToolMessage

from ...state.conversations.tool_runs import ToolRun
from ...state.errors import StorageError
from ...state.schema import AgentFacts, MadeCall
from ..context import Context
from ..memory.recall import recall
from ..tools.agent_memory import StoredMemory
from ..tools.failures import summary_of
from ..tools.injection import Surroundings
from ..tools.registry import ToolCallInfo, VoiceTool
from ..tools.results.results import SENTENCES, Outcome, tool_message
from ..tools.results.safe_text import cut
from ..turn.events import Event, ToolFinished, ToolStarted
from .invoke import Ended, invoke_tool, tool_arguments
from .made_calls import made_before

log = logging.getLogger(__name__)

Emit = Callable[[Event], None]

_RECORDED_WITHIN = 1.0
"""Maximum seconds that a turn waits for a result to be recorded; after that it continues without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRun:
    """One tool call in progress: everything needed to run, record and report it."""

    context: Context
    agent: AgentFacts
    message_id: str
    call: ToolCall
    tool: VoiceTool
    emit: Emit
    surroundings: Surroundings
    made: Sequence[MadeCall] = ()
    """Calls that the thread this one was forked from made later in this turn."""

    @property
    def call_id(self) -> str:
        """The tool-call id, which is the idempotency key."""
        return self.call["id"] or ""

    @property
    def _known(self) -> dict[str, str]:
        """Fields of the call for log records."""
        return {
            "tool": self.tool.name,
            "thread_id": self.context.thread_id,
            "agent": self.agent["name"],
        }

    async def result(self, earlier: ToolRun | None) -> ToolMessage:
        """Run the tool unless `earlier` or `made` shows that it has run; return its only result.

        Raises only a cancellation of the turn: any other error counts as the tool's failure.
        """
        try:
            recalled = self._recall(earlier)
            if recalled is not None:
                return self._message(*recalled)
            effects = self.tool.options.side_effects
            if self.context.stop.requested or (effects and not await self.context.until_firm()):
                return self._message("cancelled", SENTENCES["cancelled"])
            return await self._report()
        except Exception as error:
            self._log(error)
            return self._message("error", SENTENCES["error"])

    async def _report(self) -> ToolMessage:
        """Run the tool between the events of its start and its end."""
        started = time.monotonic()
        arguments = tool_arguments(self.tool, self.call["args"])
        self.emit(ToolStarted(tool_call_id=self.call_id, name=self.tool.name, arguments=arguments))
        try:
            ended = await self._run()
        except StorageError:
            log.exception("a tool was not run: it could not be recorded", extra=self._known)
            ended = Ended("error", SENTENCES["error"], "it could not be recorded, so it was not run")
        except Exception as error:
            self._log(error)
            ended = Ended("error", SENTENCES["error"], summary_of(error, self.tool.tool))
        self.emit(
            ToolFinished(
                tool_call_id=self.call_id,
                name=self.tool.name,
                status=ended.outcome,
                seconds=round(time.monotonic() - started, 3),
                message=ended.message,
            )
        )
        return self._message(ended.outcome, ended.text)

    def _log(self, error: Exception) -> None:
        place = summary_of(error, self.tool.tool)
        log.error("a tool call failed outside its tool", extra={**self._known, "error": place})
        log.debug("why a tool call failed", extra=self._known, exc_info=error)

    def _recall(self, earlier: ToolRun | None) -> tuple[Outcome, str] | None:
        """Return the result known from before a crash or a fork, `None` if the tool must run."""
        if earlier is None:
            return self._made_before()
        if earlier.finished_at is not None:
            return earlier.outcome or "success", earlier.result or ""  # pyright: ignore[reportReturnType]
        if self.tool.options.side_effects and not self.tool.options.idempotent:
            return "unknown", SENTENCES["unknown"]
        return None

    def _made_before(self) -> tuple[Outcome, str] | None:
        if not self.tool.options.side_effects:
            return None
        return made_before(self.made, (self.tool.name, self.tool.offered), self.call["args"])

    async def _run(self) -> Ended:
        """Wait for the tool, its timeout or an interruption, whichever comes first.

        A tool with side effects is never cancelled: it continues after the turn, and the next turn finds it.
        """
        context, options = self.context, self.tool.options
        if options.side_effects:
            await context.written()
            await context.store.tool_runs.begin(
                context.actor, context.thread_id, self.message_id, self.call_id, self.tool.name
            )
        key = (self.message_id, self.call_id)
        ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        task = context.background.start(self._perform(ended), key=key)
        stopped = asyncio.ensure_future(context.stop.event.wait())
        timeout = options.timeout or context.limits.tool_timeout
        try:
            done, _ = await asyncio.wait(
                {ended, task, stopped}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopped.cancel()
            if not options.side_effects and not ended.done():
                task.cancel()
        if ended.done():
            await asyncio.wait({task}, timeout=_RECORDED_WITHIN)
            return ended.result()
        if task in done and not task.cancelled():
            await task  # It failed outside the tool, and raises the error.
        return self._without_result(closing=task in done, late=None if done else timeout)

    def _without_result(self, *, closing: bool, late: float | None) -> Ended:
        """Return the outcome of a call without a result: interrupted, `late` by these seconds, or closing."""
        effects = self.tool.options.side_effects
        if closing:
            outcome: Outcome = "unknown" if effects else "cancelled"
            return Ended(outcome, SENTENCES[outcome], "the process stopped before the tool ended")
        message = "the caller interrupted"
        if late is not None:
            message = f"no result within {late:g} seconds"
            log.warning("a tool took too long", extra={**self._known, "error": message})
        missed: Outcome = "running" if effects else "cancelled" if late is None else "timeout"
        return Ended(missed, SENTENCES[missed], message)

    async def _perform(self, result: asyncio.Future[Ended]) -> None:
        """Run the tool, publish its result and record it, so that it survives the turn's end."""
        context = self.context
        info = ToolCallInfo(
            tool_call_id=self.call_id,
            thread_id=context.thread_id,
            agent_id=self.agent["id"],
            agent_name=self.agent["name"],
            time_zone=self.agent["time_zone"],
            actor=context.actor,
            memory=StoredMemory(context.store, context.actor, self.agent["id"]),
            recall=partial(recall, context, self.agent),
        )
        ended = await invoke_tool(self.tool, self.call, info, self.surroundings)
        result.set_result(ended)
        await self._record(ended.outcome, cut(ended.text, context.limits.tool_result_chars))

    async def _record(self, outcome: Outcome, result: str) -> None:
        context = self.context
        finish = partial(
            context.store.tool_runs.finish,
            context.actor,
            context.thread_id,
            self.message_id,
            self.call_id,
            outcome=outcome,
            result=result,
            tool=self.tool.name,
        )
        try:
            try:
                await context.storing(finish)
            except StorageError:  # Another process may own the thread by now, but the tool ran here.
                await finish()
        except StorageError:
            log.exception("the result of a tool could not be recorded", extra=self._known)

    def _message(self, outcome: Outcome, text: str) -> ToolMessage:
        context = self.context
        return tool_message(
            self.message_id,
            self.call,
            outcome,
            text,
            created_at=context.clock.now(),
            limit=context.limits.tool_result_chars,
            tool=self.tool.name,
        )
