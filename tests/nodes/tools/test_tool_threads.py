"""Where a tool runs, and how it is stopped: sync tools in threads, async ones in the loop."""

import asyncio
import subprocess
import sys
import textwrap
import threading
from contextvars import ContextVar
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool, Tool
from patience import PATIENCE
from run_tool import RunTool

from voicegraph.nodes.calls.in_thread import in_thread
from voicegraph.nodes.tools.registry import current_call
from voicegraph.nodes.tools.results.results import SENTENCES


def sync_weather(city: str) -> str:
    """Tell the weather."""
    return f"{city} in {threading.current_thread().name}"


async def async_weather(city: str) -> str:
    """Tell the weather."""
    return f"{city} in {threading.current_thread().name}"


async def test_sync_tools_run_in_threads_and_async_ones_in_the_loop(run: RunTool) -> None:
    assert (await run(sync_weather, city="Rome"))[1].endswith("in voicegraph-tool")
    assert (await run(async_weather, city="Rome"))[1].endswith("in MainThread")


class OnlyRun(BaseTool):
    name: str = "only_run"
    description: str = "Tell the thread."

    def _run(self, **_: Any) -> str:
        return threading.current_thread().name


class BothRuns(OnlyRun):
    async def _arun(self, **_: Any) -> str:
        return threading.current_thread().name


class Inherits(BothRuns):
    pass


def thread_name(_: str = "") -> str:
    return threading.current_thread().name


async def async_thread_name(_: str = "") -> str:
    return threading.current_thread().name


@pytest.mark.parametrize(
    ("source", "thread"),
    [
        (OnlyRun(), "voicegraph-tool"),
        (BothRuns(), "MainThread"),
        (Inherits(), "MainThread"),
        (StructuredTool.from_function(thread_name, description="d"), "voicegraph-tool"),
        (StructuredTool.from_function(thread_name, async_thread_name, description="d"), "MainThread"),
    ],
    ids=["only _run", "_arun", "inherited _arun", "function", "both functions"],
)
async def test_a_langchain_tool_runs_where_it_belongs(run: RunTool, source: BaseTool, thread: str) -> None:
    assert await run(source) == ("success", thread)


@pytest.mark.parametrize(
    ("source", "thread"),
    [
        (Tool("old", thread_name, "d"), "voicegraph-tool"),
        (Tool("old", thread_name, "d", coroutine=async_thread_name), "MainThread"),
    ],
)
async def test_a_tool_of_one_string_runs_where_it_belongs(
    run: RunTool, source: BaseTool, thread: str
) -> None:
    assert await run(source, __arg1="x") == ("success", thread)


async def test_an_async_tool_is_cancelled_and_clears_up(run: RunTool) -> None:
    started, cleared = asyncio.Event(), asyncio.Event()

    async def wait_for_ever() -> None:
        """Wait."""
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleared.set()

    task = asyncio.create_task(run(wait_for_ever))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleared.is_set()


async def test_a_cancelled_wait_for_a_sync_tool_ends_at_once(run: RunTool) -> None:
    loop, started, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def wait_long() -> None:
        """Wait."""
        loop.call_soon_threadsafe(started.set)
        release.wait(PATIENCE)

    task = asyncio.create_task(run(wait_long))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()


async def test_a_tool_that_cancels_itself_has_failed_and_cancels_nobody_else(run: RunTool) -> None:
    async def lost() -> None:
        """Wait for something that was cancelled."""
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    assert await run(lost) == ("error", SENTENCES["error"])


async def test_a_sync_tool_does_not_block_the_loop(run: RunTool) -> None:
    loop, started, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def wait_for_the_loop() -> str:
        """Wait."""
        loop.call_soon_threadsafe(started.set)
        return "free" if release.wait(PATIENCE) else "blocked"

    task = asyncio.create_task(run(wait_for_the_loop))
    await started.wait()
    release.set()
    assert await task == ("success", "free")


async def test_slow_sync_tools_do_not_wait_for_each_other(run: RunTool) -> None:
    barrier = threading.Barrier(50)

    def meet() -> str:
        """Wait for all others."""
        barrier.wait(PATIENCE)
        return "met"

    assert await asyncio.gather(*(run(meet) for _ in range(50))) == [("success", "met")] * 50


def test_a_sync_tool_that_hangs_does_not_hold_the_process_at_its_exit() -> None:
    program = """
        import asyncio, threading
        from voicegraph.nodes.calls.in_thread import in_thread

        async def main():
            started = threading.Event()
            def hang():
                started.set()
                threading.Event().wait()
            task = asyncio.create_task(in_thread(hang))
            while not started.is_set():
                await asyncio.sleep(0)
            print("left", flush=True)

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        timeout=PATIENCE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("left\n", "")


variable: ContextVar[str] = ContextVar("variable", default="lost")


async def test_context_variables_reach_the_thread() -> None:
    variable.set("found")
    assert await in_thread(variable.get) == "found"


async def test_a_tool_knows_its_call_in_a_thread_and_in_the_loop(run: RunTool) -> None:
    def sync_tool() -> str:
        """Tell the call."""
        return current_call().tool_call_id

    async def async_tool() -> str:
        """Tell the call."""
        return current_call().thread_id

    assert await run(sync_tool) == ("success", "call_1")
    assert await run(async_tool) == ("success", "call-42")
