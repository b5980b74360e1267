"""What of a record of the log is written, and what never is."""

import inspect
import io
import logging
import re
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from voicegraph.graph.cli.terminal.log_line import LogLine
from voicegraph.graph.cli.terminal.log_writer import LogWriter
from voicegraph.nodes.turn.error_facts import error_facts
from voicegraph.state.agents.api_keys import keys_stamp
from voicegraph.state.errors import ModelTimeout, StorageError
from voicegraph.state.open import open_database

SECRET = "my PIN is 9999"


def line(
    message: str = "the model failed",
    *args: object,
    name: str = "voicegraph.nodes.replies.reply",
    level: int = logging.WARNING,
    facts: dict[str, str] | None = None,
    raises: BaseException | None = None,
    **extra: Any,
) -> str:
    trace = (type(raises), raises, raises.__traceback__) if raises else None
    record = logging.LogRecord(name, level, "/x/nodes/replies/reply.py", 7, message, args, trace)
    vars(record).update(extra, created=1_764_356_400.25)
    return LogLine(lambda: facts or {}).format(record)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_a_line_tells_when_what_and_where() -> None:
    known: dict[str, Any] = {
        "thread_id": "call-42",
        "agent": "nina",
        "model": "openai:m",
        "error": "model_timeout",
    }
    assert line(**known, attempt=2) == (
        "2025-11-28T19:00:00.250+00:00 WARNING voicegraph.nodes.replies.reply: the model failed "
        "thread_id=call-42 agent=nina model=openai:m error=model_timeout attempt=2 place=replies/reply.py:7"
    )


def test_what_the_record_does_not_tell_is_told_by_its_turn() -> None:
    turn = {"thread_id": "call-42", "agent": "nina", "model": "openai:m"}
    assert "thread_id=call-42 agent=nina model=openai:mini place=" in line(facts=turn, model="openai:mini")


@pytest.mark.parametrize(
    ("error", "name"), [(ModelTimeout("late"), "model_timeout"), (ValueError(SECRET), "ValueError")]
)
def test_an_error_has_the_name_that_programs_know(error: BaseException, name: str) -> None:
    assert f"error={name} " in line(raises=raised(error))


async def test_the_place_of_an_error_of_the_database_is_where_it_was_used(database_url: str) -> None:
    database = await open_database(database_url)
    await database.write(lambda session: session.execute(text("DROP TABLE api_keys")))
    with pytest.raises(StorageError) as caught:
        await keys_stamp(database)
    await database.close()
    assert "state/agents/api_keys.py:" in error_facts(caught.value)["at"]


def test_the_place_of_the_error_comes_before_that_of_the_line() -> None:
    assert line(at="/y/state/database/faults.py:60").endswith("place=database/faults.py:60")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two words", '"two words"'),
        ("a\nline=1", r'"a\nline=1"'),
        ('say "hi"', r'"say \"hi\""'),
        ("Zoë", r'"Zo\u00eb"'),
        (3, "3"),
    ],
    ids=["blanks", "a line break", "quotes", "not ASCII", "a number"],
)  # fmt: skip
def test_a_value_never_breaks_the_line(value: object, shown: str) -> None:
    assert f" tool={shown} " in line(tool=value)


def test_a_message_of_several_lines_becomes_one() -> None:
    assert ": one two place=" in line("one\n  two")


def test_of_an_exception_its_kind_and_way_are_told_and_not_its_text() -> None:
    error = raised(ValueError(SECRET), raised(KeyError(SECRET)))
    written = line("a tool failed", raises=error)
    assert "error=ValueError" in written
    assert "builtins.ValueError at\n    terminal/test_log_line.py:" in written
    assert "builtins.KeyError at" in written
    assert SECRET not in written


def test_at_debug_all_is_told() -> None:
    assert SECRET in line("why", level=logging.DEBUG, raises=raised(ValueError(SECRET)))


@pytest.mark.parametrize("name", ["asyncio", "openai._base_client", "sqlalchemy.pool", "uvicorn.error"])
def test_what_went_through_a_library_is_not_told(name: str) -> None:
    assert SECRET not in line("a request failed: %s", SECRET, name=name)
    assert SECRET not in line(f"Task exception was never retrieved\nfuture: {SECRET}", name=name)


def test_what_the_author_of_a_tool_logs_is_told_whole() -> None:
    assert ": no table for 4 place=" in line("no table for %s", 4, name="restaurant.tables")


class Stuck(io.StringIO):
    """A pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        self.go_on.wait(10)
        return super().write(text)


def records(writer: LogWriter, count: int) -> None:
    for number in range(count):
        writer.handle(logging.LogRecord("a", logging.ERROR, "/x", 1, f"line {number}", (), None))


def test_lines_are_written_in_their_order() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream)
    records(writer, 100)
    writer.flush()
    assert stream.getvalue().splitlines() == [f"line {number}" for number in range(100)]


def test_a_stream_that_takes_nothing_holds_nobody_up_and_what_was_lost_is_told() -> None:
    stream = Stuck()
    writer = LogWriter(stream)
    records(writer, 12_000)
    stream.go_on.set()
    writer.flush()
    records(writer, 1)
    writer.flush()
    written = stream.getvalue()
    assert written.startswith("line 0\n")
    assert "lines before this one were dropped" in written


def test_a_stream_that_is_closed_ends_nothing() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream)
    stream.close()
    records(writer, 2)
    writer.flush()
    assert sys.stderr is not stream


def test_only_the_command_line_decides_what_becomes_of_logs() -> None:
    root = Path(inspect.getfile(LogLine)).parents[3]
    files = [file for package in ("graph", "nodes", "state") for file in (root / package).rglob("*.py")]
    setting = re.compile(r"addHandler|basicConfig|setLevel|logging\.config")
    found = {file for file in files if setting.search(file.read_text(encoding="utf-8"))}
    assert {file.relative_to(root).as_posix() for file in found} == {"graph/cli/terminal/logs.py"}
