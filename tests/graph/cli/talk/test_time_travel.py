"""`voicegraph checkpoints`, `fork`, `resume --checkpoint` and `draw --thread`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, ToolCall, text, tool_calls

Run = Callable[..., Any]

BOOK = """
from voicegraph.nodes import voice_tool

@voice_tool(side_effects=True)
async def book(guests: int) -> str:
    "Book a table."
    open("booked.txt", "a").write("x")
    return f"Booked for {guests}."
"""


@pytest.fixture
def said(run: Run, server: OpenAIServer, folder: Path) -> None:
    """Let a turn book a table."""
    (folder / "booking.py").write_text(BOOK)
    run("agents", "create", "nina", "--tool", "booking:book")
    server.add(tool_calls([ToolCall("book", '{"pre_exec_msg": "I book it.", "guests": 4}')]), text("Done."))
    assert run("say", "A table, please.", "--thread", "one", "--agent", "nina").code == 0


def points(run: Run, thread: str = "one") -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("checkpoints", thread, "--json").out.splitlines()]


def before(run: Run, step: str) -> str:
    return next(point["id"] for point in points(run) if point["next"] == step)


@pytest.mark.usefixtures("said")
def test_checkpoints_are_listed_with_the_newest_first(run: Run) -> None:
    rows = [line.split("\t") for line in run("checkpoints", "one").out.splitlines()]
    assert [row[2] for row in rows][:3] == ["(end of turn)", "persist_and_trim", "call_llm"]
    assert [row[0] for row in rows] == [point["id"] for point in points(run)]
    assert len(run("checkpoints", "one", "--limit", "2").out.splitlines()) == 2


@pytest.mark.usefixtures("said")
def test_a_terminal_of_80_columns_shows_checkpoints_without_breaking_a_column(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")  # No codes for bold letters, which have no width.
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    lines = run("checkpoints", "one").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("persist_and_trim" in line for line in lines)


@pytest.mark.usefixtures("said")
def test_a_fork_has_its_own_future(run: Run, server: OpenAIServer) -> None:
    made = run("fork", "one", "--checkpoint", points(run)[0]["id"][-12:], "--as", "two")
    assert (made.code, made.out) == (0, "two\n")
    server.add(text("Until ten."))
    assert run("say", "Until when?", "--thread", "two").out == "Until ten.\n"
    assert len(run("history", "one").out.splitlines()) + 2 == len(run("history", "two").out.splitlines())


@pytest.mark.usefixtures("said")
def test_a_turn_that_is_resumed_earlier_books_nothing_again(
    run: Run, server: OpenAIServer, folder: Path
) -> None:
    server.add(text("It is booked."))
    ran = run("resume", "one", "--checkpoint", before(run, "execute_tool"), "--as", "two")
    assert (ran.code, ran.out.strip()) == (0, "It is booked.")
    assert "thread two; one is not changed" in ran.errors
    assert (folder / "booked.txt").read_text() == "x"
    assert run("history", "one").out.splitlines()[-1].endswith("Done.")


@pytest.mark.usefixtures("said")
def test_the_end_of_a_turn_cannot_be_resumed(run: Run) -> None:
    ran = run("resume", "one", "--checkpoint", points(run)[0]["id"])
    assert ran.code == 2
    assert "voicegraph fork one --checkpoint" in ran.errors


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(
    "arguments",
    [
        ["fork", "one", "--checkpoint", "nonsense"],
        ["fork", "two", "--checkpoint", "nonsense"],
        ["checkpoints", "two"],
        ["resume", "one", "--checkpoint", "nonsense"],
        ["resume", "one", "--as", "two"],
        ["draw", "--thread", "two", "--last"],
        ["draw", "--last"],
        ["draw", "--thread", "one", "--format", "ascii"],
        ["--user", "eve", "checkpoints", "one"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_told_in_one_line(run: Run, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out, len(ran.errors.splitlines())) == (2, "", 1)


@pytest.mark.usefixtures("said")
def test_the_last_turn_is_drawn_over_the_graph(run: Run, folder: Path) -> None:
    drawn = run("draw", "--thread", "one", "--last").out
    assert 'rebuild_memory("rebuild_memory<br/>2 times, ' in drawn
    assert "book: success, " in drawn
    for name, begins in (("turn.svg", b"<svg"), ("turn.png", b"\x89PNG")):
        assert run("draw", "--thread", "one", "--last", "--out", name).code == 0
        assert (folder / name).read_bytes().startswith(begins)
