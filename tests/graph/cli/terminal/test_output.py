"""How a turn looks on a terminal."""

import sys
from typing import Any

import pytest

from voicegraph.graph.cli.terminal.output import SpokenView, console, shown_arguments, write_rows
from voicegraph.nodes import Speech, ToolFinished, ToolStarted

STARTED = ToolStarted(tool_call_id="1", name="dishes", arguments={"day": "today"})
FINISHED = ToolFinished(tool_call_id="1", name="dishes", status="success", seconds=0.25)


def shown(capsys: pytest.CaptureFixture[str], *events: Any) -> str:
    view = SpokenView(console(errors=False))
    for event in events:
        view.show(event)
    view.end()
    return capsys.readouterr().out


def test_tool_use_has_lines_of_its_own_and_the_reply_goes_on_below(
    capsys: pytest.CaptureFixture[str],
) -> None:
    events = [Speech(content="Let me"), Speech(content=" look."), STARTED, FINISHED, Speech(content=" Soup.")]
    assert shown(capsys, *events) == "Let me look.\n  dishes(day='today')\n  dishes: success, 0.2 s\nSoup.\n"


def test_control_characters_of_a_reply_do_not_reach_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert shown(capsys, Speech(content="Be\x07 \x1b]0;mine\x07careful\x9b.")) == "Be ]0;minecareful.\n"


def test_long_arguments_are_cut() -> None:
    assert shown_arguments({"text": "a" * 100, "n": 1}) == f"text='{'a' * 39}..., n=1"


def test_rows_without_a_terminal_are_separated_by_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(["a", "b"], [["1", "2"], ["3\t", "4"]], nothing="none")
    assert capsys.readouterr().out == "1\t2\n3\t4\n"


def test_rows_on_a_terminal_have_titles_and_are_aligned(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    write_rows(["thread", "agent"], [["a", "default"], ["longer", "b"]], nothing="none")
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["thread  agent", "a       default", "longer  b"]


def test_no_cell_of_a_table_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    write_rows(["name", "id"], [["n" * 70, "key-" + "f" * 60]], nothing="none")
    shown = capsys.readouterr().out
    assert shown.count("f") == 60
    assert max(map(len, shown.splitlines())) <= 80


def test_the_rest_of_a_reply_begins_without_a_blank(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, Speech(content=" It"), Speech(content=" is late.")) == "It is late.\n"
