"""One tool call, run to its end: whatever happens, the model gets one safe text."""

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Annotated, Any

import pytest
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, Tool, tool
from langchain_core.tools.base import ToolException
from pydantic import BaseModel, TypeAdapter

from voicegraph.nodes.tools.invoke import in_thread, invoke_tool
from voicegraph.nodes.tools.registry import ToolCallInfo, current_call, load_tool
from voicegraph.nodes.tools.results import SENTENCES
from voicegraph.state.actors import Actor

INFO = ToolCallInfo(
    tool_call_id="call_1",
    thread_id="call-42",
    agent_id="agent-1",
    agent_name="default",
    time_zone="UTC",
    actor=Actor(),
)
SECRET = "the key is sk-12345"
FAILED = ("error", SENTENCES["error"])


async def run(source: Any, **arguments: Any) -> tuple[str, str]:
    loaded = load_tool(source)
    return await invoke_tool(
        loaded, {"name": loaded.name, "args": arguments, "id": "call_1", "type": "tool_call"}, INFO
    )


class Point(BaseModel):
    x: int
    y: int = 3


def sync_weather(city: str, days: int = 3, there: Point | None = None) -> str:
    """Tell the weather."""
    return f"{city} {days} {there.y if there else '-'} in {threading.current_thread().name}"


async def async_weather(city: str, days: int = 3, there: Point | None = None) -> str:
    """Tell the weather."""
    return f"{city} {days} {there.y if there else '-'} in {threading.current_thread().name}"


both = pytest.mark.parametrize("source", [sync_weather, async_weather])


@both
async def test_the_tool_gets_its_arguments_without_preamble_and_heartbeat(source: Any) -> None:
    outcome, text = await run(
        source, pre_exec_msg="Let me look.", request_heartbeat=True, city="Rome", days=1
    )
    assert outcome == "success"
    assert text.startswith("Rome 1 - in ")


@both
async def test_a_null_for_an_optional_argument_means_its_default(source: Any) -> None:
    _, text = await run(source, city="Rome", days=None, there={"x": 1, "y": None})
    assert text.startswith("Rome 3 3 in ")


async def test_sync_tools_run_in_threads_and_async_ones_in_the_loop() -> None:
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
async def test_a_langchain_tool_runs_where_it_belongs(source: BaseTool, thread: str) -> None:
    assert await run(source) == ("success", thread)


@pytest.mark.parametrize(
    ("source", "thread"),
    [
        (Tool("old", thread_name, "d"), "voicegraph-tool"),
        (Tool("old", thread_name, "d", coroutine=async_thread_name), "MainThread"),
    ],
)
async def test_a_tool_of_one_string_runs_where_it_belongs(source: BaseTool, thread: str) -> None:
    assert await run(source, __arg1="x") == ("success", thread)


@both
@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "city: Field required"),
        ({"city": None}, "city: Input should be a valid string"),
        ({"city": "Rome", "days": SECRET}, "days: Input should be a valid integer"),
        ({"city": "Rome", "there": {"y": 1}}, "there.x: Field required"),
    ],
)
async def test_arguments_that_do_not_fit_are_explained_without_their_values(
    source: Any, arguments: dict[str, Any], fault: str
) -> None:
    outcome, text = await run(source, **arguments)
    assert outcome == "bad_arguments"
    assert fault in text
    assert SECRET not in text


def raising(error: BaseException) -> list[Callable[..., Any]]:
    def sync_tool() -> str:
        """Fail."""
        raise error

    async def async_tool() -> str:
        """Fail."""
        raise error

    return [sync_tool, async_tool]


@pytest.mark.parametrize(
    "error",
    [RuntimeError(SECRET), StopIteration(SECRET), TimeoutError(), KeyError("city")],
    ids=repr,
)
async def test_an_exception_gives_a_text_that_says_nothing_of_it(error: BaseException) -> None:
    assert [await run(source) for source in raising(error)] == [FAILED, FAILED]


async def test_a_command_line_program_that_exits_inside_a_tool_ends_only_the_tool() -> None:
    assert await run(raising(SystemExit(SECRET))[0]) == FAILED


async def test_a_validation_error_that_a_tool_meets_in_its_work_is_no_fault_of_the_arguments() -> None:
    def sync_tool() -> str:
        """Fail."""
        return TypeAdapter(int).validate_python(SECRET)

    async def async_tool() -> str:
        """Fail."""
        return Point.model_validate({"x": SECRET})

    assert [await run(sync_tool), await run(async_tool)] == [FAILED, FAILED]


async def test_a_tool_exception_is_for_the_model_to_read() -> None:
    error = ToolException("No table is free at eight.")
    assert [await run(source) for source in raising(error)] == [("error", "No table is free at eight.")] * 2


async def test_a_tool_error_that_langchain_handles_is_an_error_too() -> None:
    def book() -> str:
        """Book a table."""
        raise ToolException("No table is free.")

    handled = StructuredTool.from_function(book, handle_tool_error="Try nine o'clock.")
    assert await run(handled) == ("error", "Try nine o'clock.")


async def test_an_async_tool_is_cancelled_and_clears_up() -> None:
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


async def test_a_cancelled_wait_for_a_sync_tool_ends_at_once() -> None:
    loop, started, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def wait_long() -> None:
        """Wait."""
        loop.call_soon_threadsafe(started.set)
        release.wait(10)

    task = asyncio.create_task(run(wait_long))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()


async def test_a_tool_that_cancels_itself_has_failed_and_cancels_nobody_else() -> None:
    async def lost() -> None:
        """Wait for something that was cancelled."""
        gone = asyncio.get_running_loop().create_future()
        gone.cancel()
        await gone

    assert await run(lost) == FAILED


async def test_a_sync_tool_does_not_block_the_loop() -> None:
    loop, started, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def wait_for_the_loop() -> str:
        """Wait."""
        loop.call_soon_threadsafe(started.set)
        return "free" if release.wait(10) else "blocked"

    task = asyncio.create_task(run(wait_for_the_loop))
    await started.wait()
    release.set()
    assert await task == ("success", "free")


async def test_slow_sync_tools_do_not_wait_for_each_other() -> None:
    barrier = threading.Barrier(50)

    def meet() -> str:
        """Wait for all others."""
        barrier.wait(10)
        return "met"

    assert await asyncio.gather(*(run(meet) for _ in range(50))) == [("success", "met")] * 50


def test_a_sync_tool_that_hangs_does_not_hold_the_process_at_its_exit() -> None:
    program = """
        import asyncio, threading
        from voicegraph.nodes.tools.invoke import in_thread

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
        timeout=60,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("left\n", "")


variable: ContextVar[str] = ContextVar("variable", default="lost")


async def test_context_variables_reach_the_thread() -> None:
    variable.set("found")
    assert await in_thread(variable.get) == "found"


async def test_a_tool_knows_its_call_in_a_thread_and_in_the_loop() -> None:
    def sync_tool() -> str:
        """Tell the call."""
        return current_call().tool_call_id

    async def async_tool() -> str:
        """Tell the call."""
        return current_call().thread_id

    assert await run(sync_tool) == ("success", "call_1")
    assert await run(async_tool) == ("success", "call-42")


async def test_a_tool_may_ask_langchain_for_its_call_id() -> None:
    @tool
    def book(guests: int, key: Annotated[str, InjectedToolCallId]) -> str:
        """Book a table."""
        return f"{guests} {key}"

    assert await run(book, guests=2) == ("success", "2 call_1")
    assert "key" not in load_tool(book).schema["function"]["parameters"]["properties"]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Sunny.", "Sunny."),
        ({"city": "Köln", "days": 2}, '{"city": "Köln", "days": 2}'),
        ([1, 2], "[1, 2]"),
        (3.5, "3.5"),
        ([{"type": "text", "text": "Sunny."}], "Sunny."),
        ("", ""),
    ],
)
async def test_what_a_tool_returns_becomes_text(answer: Any, text: str) -> None:
    def tell() -> Any:
        """Tell."""
        return answer

    assert await run(tell) == ("success", text)
