"""Whatever a tool raises is its own failure: its author is told, and the model gets a sentence."""

import asyncio
import functools
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pydantic.v1
import pytest
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools.base import ToolException
from run_tool import RunTool

from voicegraph.nodes.calls.invoke import Ended, invoke_tool
from voicegraph.nodes.tools.failures import comes_from_outside
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.registry import ToolCallInfo
from voicegraph.nodes.tools.results.results import SENTENCES
from voicegraph.state.agents.actors import Actor

SECRET = "the key is sk-12345"
FAILED = ("error", SENTENCES["error"])
INFO = ToolCallInfo(
    tool_call_id="call_1",
    thread_id="call-42",
    agent_id="agent-1",
    agent_name="nina",
    time_zone="UTC",
    actor=Actor(),
)


async def ended(source: Any, **arguments: Any) -> Ended:
    call: Any = {"name": "it", "args": arguments, "id": "call_1", "type": "tool_call"}
    return await invoke_tool(load_tool(source), call, INFO)


def all_ways(error: BaseException) -> list[Any]:
    """Return tools of every kind that raise the error."""

    def plain() -> str:
        """Fail."""
        raise error

    async def coroutine() -> str:
        """Fail."""
        await asyncio.sleep(0)
        raise error

    def later() -> Any:
        """Fail."""
        return coroutine()

    class Plain(BaseTool):
        name: str = "plain"
        description: str = "Fail."

        def _run(self) -> str:
            raise error

    class Both(Plain):
        async def _arun(self) -> str:
            raise error

    class Whole(Plain):
        async def _arun(self) -> str:
            raise AssertionError

        async def ainvoke(self, *_: Any, **__: Any) -> Any:
            raise error

    return [
        plain,
        coroutine,
        later,
        Plain(),
        Both(),
        Whole(),
        StructuredTool.from_function(plain),
    ]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        BaseExceptionGroup(SECRET, [asyncio.CancelledError(), ValueError(SECRET)]),
        KeyboardInterrupt(SECRET),
        SystemExit(SECRET),
        GeneratorExit(SECRET),
        asyncio.CancelledError(SECRET),
        StopIteration(SECRET),
        StopAsyncIteration(SECRET),
        RecursionError(SECRET),
        MemoryError(SECRET),
        AssertionError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_tool_raises_is_a_failed_call(run: RunTool, error: BaseException) -> None:
    for source in all_ways(error):
        assert await run(source) == FAILED


class BrokenText(ToolException):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ToolException("No table is free."), "No table is free."),
        (ToolException("half \udce4 \x00"), "half \ufffd"),
        (ToolException(), SENTENCES["error"]),
        (BrokenText(), SENTENCES["error"]),
    ],
)
async def test_a_tool_exceptions_text_can_always_be_sent(run: RunTool, error: Exception, text: str) -> None:
    for source in all_ways(error):
        assert await run(source) == ("error", text)


@contextmanager
def handling(handler: Any) -> Generator[None]:
    """Have a handler of Ctrl-C for a while."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def caught(work: Callable[[], Any]) -> BaseException:
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def give_up() -> None:
    raise KeyboardInterrupt


def leave() -> None:
    raise SystemExit


@pytest.mark.parametrize(
    "handler", [signal.default_int_handler, lambda *_: give_up(), functools.partial(lambda *_: leave())]
)
def test_ctrl_c_is_told_from_an_exception_of_the_same_name(handler: Any) -> None:
    with handling(handler):
        assert comes_from_outside(caught(press))
        assert not comes_from_outside(caught(give_up)) or handler is not signal.default_int_handler
        assert not comes_from_outside(caught(lambda: [][0]))


def test_a_coroutine_that_is_closed_is_told_from_an_exception_of_the_same_name() -> None:
    seen: list[bool] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(0)
        except GeneratorExit as error:
            seen.append(comes_from_outside(error))
            raise

    work = wait()
    work.send(None)
    work.close()
    assert seen == [True]


PRESSED = """
import asyncio, signal
from voicegraph.nodes.calls.invoke import invoke_tool
from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.registry import ToolCallInfo
from voicegraph.state.agents.actors import Actor

async def busy() -> str:
    "Be busy."
    signal.raise_signal(signal.SIGINT)  # asyncio asks its main task to end,
    signal.raise_signal(signal.SIGINT)  # and the second time it raises.
    return "never"

signal.signal(signal.SIGINT, signal.default_int_handler)
known = dict(tool_call_id="1", thread_id="t", agent_id="a", agent_name="a", time_zone="UTC")
call = {"name": "busy", "args": {}, "id": "1", "type": "tool_call"}
try:
    asyncio.run(invoke_tool(load_tool(busy), call, ToolCallInfo(**known, actor=Actor())))
except KeyboardInterrupt:
    print("ended")
"""


def test_ctrl_c_ends_the_process_while_a_tool_runs() -> None:
    done = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True, timeout=60)
    assert done.stdout == "ended\n", done.stderr


async def test_a_real_cancellation_cancels() -> None:
    begun = asyncio.Event()

    async def wait() -> str:
        """Wait."""
        begun.set()
        await asyncio.Event().wait()
        return "never"

    task = asyncio.create_task(ended(wait))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def stumble() -> str:
    """Stumble."""
    return {}[SECRET]


async def test_a_failure_is_logged_with_its_place_and_never_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    outcome = await ended(stumble)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    line = stumble.__code__.co_firstlineno + 2
    assert outcome.message == f"KeyError at test_tool_failures.py:{line} in stumble"
    assert (record.tool, record.thread_id, record.agent) == ("stumble", "call-42", "nina")  # pyright: ignore
    assert record.error == outcome.message  # pyright: ignore
    assert SECRET not in str(vars(record))


async def test_the_traceback_of_a_failure_is_logged_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "voicegraph")
    await ended(stumble)
    assert f'raise KeyError("{SECRET}")' not in caplog.text
    assert "Traceback" in caplog.text
    assert all(record.levelno == logging.DEBUG for record in caplog.records if record.exc_info)


async def test_a_failure_inside_a_library_is_told_with_the_tools_own_line() -> None:
    import json

    def read() -> Any:
        """Read."""
        return json.loads(SECRET)

    message = (await ended(read)).message
    assert message == f"JSONDecodeError at test_tool_failures.py:{read.__code__.co_firstlineno + 2} in read"


async def test_a_group_of_exceptions_is_told_with_its_members() -> None:
    async def group() -> str:
        """Fail."""
        raise BaseExceptionGroup(SECRET, [asyncio.CancelledError(), ValueError(SECRET)])

    message = (await ended(group)).message or ""
    assert message.startswith("BaseExceptionGroup (CancelledError, ValueError) at test_tool_failures.py:")


async def test_wrong_arguments_are_told_by_their_kind(caplog: pytest.LogCaptureFixture) -> None:
    def book(guests: int, name: str) -> str:
        """Book."""
        return name

    outcome = await ended(book, guests=SECRET)
    assert outcome.outcome == "bad_arguments"
    assert outcome.message == "wrong arguments (int_parsing, missing)"
    assert SECRET not in outcome.text + str([vars(record) for record in caplog.records])


class Old(pydantic.v1.BaseModel):
    guests: int


async def test_arguments_of_an_old_pydantic_model_are_checked_too() -> None:
    book = StructuredTool(
        name="book", description="Book.", args_schema=Old, func=lambda guests: f"{guests} guests"
    )
    assert await ended(book, guests=2) == Ended("success", "2 guests")
    assert (await ended(book, guests="many")).outcome == "bad_arguments"
    assert load_tool(book).strict
