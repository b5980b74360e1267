"""One tool call, run to its end: whatever happens, the model gets one safe text."""

import threading
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from langchain_core.tools import BaseTool, InjectedToolCallId, StructuredTool, tool
from langchain_core.tools.base import ToolException
from pydantic import BaseModel, TypeAdapter
from run_tool import RunTool

from voicegraph.nodes.tools.loading import load_tool
from voicegraph.nodes.tools.results.results import SENTENCES

SECRET = "the key is sk-12345"
FAILED = ("error", SENTENCES["error"])


class Point(BaseModel):
    x: int
    y: int = 3


def sync_weather(city: str, days: int = 3, there: Point | None = None) -> str:
    """Tell the weather."""
    return f"{city} {days} {there.y if there else '-'}"


async def async_weather(city: str, days: int = 3, there: Point | None = None) -> str:
    """Tell the weather."""
    return f"{city} {days} {there.y if there else '-'}"


both = pytest.mark.parametrize("source", [sync_weather, async_weather])


@both
async def test_the_tool_gets_its_arguments_without_preamble_and_heartbeat(run: RunTool, source: Any) -> None:
    outcome, text = await run(
        source, pre_exec_msg="Let me look.", request_heartbeat=True, city="Rome", days=1
    )
    assert outcome == "success"
    assert text == "Rome 1 -"


@both
async def test_a_null_for_an_optional_argument_means_its_default(run: RunTool, source: Any) -> None:
    _, text = await run(source, city="Rome", days=None, there={"x": 1, "y": None})
    assert text == "Rome 3 3"


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
    run: RunTool, source: Any, arguments: dict[str, Any], fault: str
) -> None:
    outcome, text = await run(source, **arguments)
    assert outcome == "bad_arguments"
    assert fault in text
    assert SECRET not in text


def raising(error: BaseException) -> list[Callable[..., Any]]:
    def sync_tool() -> int:
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
async def test_an_exception_gives_a_text_that_says_nothing_of_it(run: RunTool, error: BaseException) -> None:
    assert [await run(source) for source in raising(error)] == [FAILED, FAILED]


async def test_a_command_line_program_that_exits_inside_a_tool_ends_only_the_tool(run: RunTool) -> None:
    assert await run(raising(SystemExit(SECRET))[0]) == FAILED


async def test_a_validation_error_inside_a_tool_is_no_fault_of_the_arguments(
    run: RunTool,
) -> None:
    def sync_tool() -> int:
        """Fail."""
        return TypeAdapter(int).validate_python(SECRET)

    async def async_tool() -> Point:
        """Fail."""
        return Point.model_validate({"x": SECRET})

    assert [await run(sync_tool), await run(async_tool)] == [FAILED, FAILED]


async def test_a_tool_exception_is_for_the_model_to_read(run: RunTool) -> None:
    error = ToolException("No table is free at eight.")
    assert [await run(source) for source in raising(error)] == [("error", "No table is free at eight.")] * 2


async def test_a_tool_error_that_langchain_handles_is_an_error_too(run: RunTool) -> None:
    def book() -> str:
        """Book a table."""
        raise ToolException("No table is free.")

    handled = StructuredTool.from_function(book, handle_tool_error="Try nine o'clock.")
    assert await run(handled) == ("error", "Try nine o'clock.")


async def test_a_tool_may_ask_langchain_for_its_call_id(run: RunTool) -> None:
    @tool
    def book(guests: int, key: Annotated[str, InjectedToolCallId]) -> str:
        """Book a table."""
        return f"{guests} {key}"

    assert await run(book, guests=2) == ("success", "2 call_1")
    assert "key" not in load_tool(book).describe(strict=True)["function"]["parameters"]["properties"]


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
async def test_what_a_tool_returns_becomes_text(run: RunTool, answer: Any, text: str) -> None:
    def tell() -> Any:
        """Tell."""
        return answer

    assert await run(tell) == ("success", text)


class Blocking(BaseTool):
    name: str = "blocking"
    description: str = "Say where it runs."

    def _run(self) -> str:
        return threading.current_thread().name


class Waiting(Blocking):
    name: str = "waiting"

    async def _arun(self) -> str:
        return threading.current_thread().name


async def test_a_tool_class_runs_on_the_event_loop_when_it_has_a_coroutine_of_its_own(
    run: RunTool,
) -> None:
    assert await run(Blocking()) == ("success", "voicegraph-tool")
    assert await run(Waiting()) == ("success", threading.current_thread().name)
