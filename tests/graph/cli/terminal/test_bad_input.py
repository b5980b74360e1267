"""Bad input: one line on the error stream, an exit code, and nothing half-written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, text

Run = Callable[..., Any]

BEFORE_THE_DATABASE = {
    "an empty message": (["say", ""], "the message is empty"),
    "a blank message": (["say", " \n"], "the message is empty"),
    "a message that is not text": (["say", "\udcff"], "not valid UTF-8"),
    "an unknown model": (["say", "Hi", "--model", "best"], "no model 'best'"),
    "an unknown model of chat": (["chat", "--model", "openai:"], "no model 'openai:'"),
    "another database": (["say", "Hi", "--db", "mysql://u:secret@h/x"], "cannot be used"),
    "a URL without a file": (["threads", "--db", "sqlite:///"], "needs a file name"),
    "no URL at all": (["db", "upgrade", "--db", "voice.db"], "cannot be used"),
    "an unknown thread": (["history", "call-9"], "no thread 'call-9'"),
    "an unknown thread to resume": (["resume", "call-9"], "no thread 'call-9'"),
    "an unknown agent to list": (["threads", "--agent", "nobody"], "no agent 'nobody'"),
    "an unknown agent to show": (["agents", "show", "nobody"], "no agent 'nobody'"),
    "an unknown agent to delete": (["agents", "delete", "nobody"], "no agent 'nobody'"),
    "a model that cannot be": (["agents", "create", "a", "--model", "gpt"], "no model 'gpt'"),
    "a tool without function": (["agents", "create", "a", "--tool", "json"], "package.module:function"),
    "a tool of no module": (["agents", "create", "a", "--tool", "nowhere:tool"], "cannot be imported"),
    "a tool that is not there": (["agents", "create", "a", "--tool", "json:nothing"], "has no 'nothing'"),
    "a tool that is no function": (["agents", "create", "a", "--tool", "string:digits"], "is not a tool"),
    "a tool that breaks": (["agents", "create", "a", "--tool", "broken_tool:run"], "cannot be imported"),
    "a tool named as one that every agent has": (
        ["agents", "create", "a", "--tool", "own_tools:recall_memory"],
        "two tools are named 'recall_memory'",
    ),
    "a tool that is a generator": (["agents", "create", "a", "--tool", "own_tools:count"], "is a generator"),
    "a tool named twice over": (
        [
            "agents",
            "create",
            "a",
            "--tool",
            "voicegraph.nodes.tools.built_in.clock:current_time",
            "--tool",
            "my_clock:current_time",
        ],
        "two tools are named 'current_time'",
    ),
    "a block without text": (["agents", "create", "a", "--block", "persona"], "label=text"),
    "a block twice": (
        ["agents", "create", "a", "--block", "b=1", "--block", "b=2"],
        "block 'b' is given twice",
    ),
    "no system file": (["agents", "create", "a", "--system-file", "none.txt"], "none.txt cannot be read"),
    "a folder to draw into": (["draw", "--out", "."], "cannot be written"),
}


@pytest.mark.parametrize("case", BEFORE_THE_DATABASE)
def test_it_is_refused_before_a_file_is_made(run: Run, folder: Path, case: str) -> None:
    arguments, told = BEFORE_THE_DATABASE[case]
    (folder / "broken_tool.py").write_text("1 / 0\n")
    own = [
        "def recall_memory() -> str:",
        '    "Recall."',
        "    return ''",
        "def count():",
        '    "Count."',
        "    yield 1",
    ]
    (folder / "own_tools.py").write_text("\n".join(own))
    (folder / "my_clock.py").write_text('def current_time() -> str:\n    "Tell."\n    return ""\n')
    before = sorted(folder.iterdir())
    ran = run(*arguments)
    assert (ran.code, ran.out, ran.errors.count("\n")) == (2, "", 1)
    assert ran.errors.startswith("voicegraph: ") and told in ran.errors
    assert "secret" not in ran.errors
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    assert sorted(folder.iterdir()) == before


def test_a_message_of_a_megabyte_is_refused(run: Run, folder: Path) -> None:
    ran = run("say", "-", stdin="a" * 1_000_000)
    assert (ran.code, ran.out, list(folder.iterdir())) == (2, "", [])
    assert "1,000,000 characters" in ran.errors


def test_bytes_that_are_no_text_are_refused(run: Run, folder: Path) -> None:
    ran = run("say", "-", stdin=b"\xff\xfe")
    assert (ran.code, list(folder.iterdir())) == (2, [])
    assert "UTF-8" in ran.errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--agent", "nobody"], "no agent 'nobody'"),
        (["--thread", "a\nb"], "control character"),
        (["--thread", "a" * 201], "201 characters"),
        (["--thread", ""], "thread"),
    ],
)
@pytest.mark.usefixtures("server")
def test_a_turn_that_cannot_begin_leaves_no_thread(run: Run, arguments: list[str], told: str) -> None:
    ran = run("say", "Hi", *arguments)
    assert (ran.code, ran.out, ran.errors.count("\n")) == (2, "", 1)
    assert told in ran.errors
    assert run("threads").out == ""


def test_an_agent_whose_tool_has_gone_is_told_before_the_turn(
    run: Run, folder: Path, server: OpenAIServer
) -> None:
    (folder / "passing_tool.py").write_text('def look() -> str:\n    "Look."\n    return ""\n')
    assert run("agents", "create", "a", "--tool", "passing_tool:look").code == 0
    (folder / "passing_tool.py").write_text("")
    import sys

    del sys.modules["passing_tool"]
    ran = run("say", "Hi", "--agent", "a", "--thread", "call-1")
    assert (ran.code, ran.out) == (2, "")
    assert "has no 'look'" in ran.errors


def test_an_agent_of_a_taken_name_is_refused(run: Run) -> None:
    assert run("agents", "create", "waiter").code == 0
    ran = run("agents", "create", "waiter", "--block", "persona=Another")
    assert (ran.code, ran.out) == (2, "")
    assert "Another" not in run("agents", "show", "waiter").out


@pytest.mark.parametrize("blank", ["", " ", "\r"])
@pytest.mark.usefixtures("folder")
def test_a_blank_variable_names_no_user(run: Run, monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    assert run("agents", "create", "waiter").code == 0
    monkeypatch.setenv("VOICEGRAPH_USER", blank)
    monkeypatch.setenv("VOICEGRAPH_ORGANIZATION", blank)
    assert run("agents", "show", "waiter").code == 0
    assert run("--user", "", "agents", "create", "waiter").code == 2


def test_a_setting_that_cannot_be_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEGRAPH_MAX_STEPS", "many")
    ran = run("say", "Hi")
    assert ran.code == 2
    assert ran.errors.startswith("voicegraph: VOICEGRAPH_MAX_STEPS ")


@pytest.mark.parametrize("command", [["say", "Hi"], ["chat"], ["threads"], ["db", "upgrade"]], ids=" ".join)
@pytest.mark.usefixtures("server")
def test_a_file_that_is_no_database_is_left_as_it_was(run: Run, folder: Path, command: list[str]) -> None:
    (folder / "voice.db").write_bytes(b"Dear diary, " * 500)
    ran = run(*command)
    assert (ran.code, ran.out, ran.errors.count("\n")) == (1, "", 1)
    assert "not a database" in ran.errors
    assert (folder / "voice.db").read_bytes() == b"Dear diary, " * 500
    assert [path.name for path in folder.iterdir()] == ["voice.db"]


def test_checkpoints_that_are_no_database_are_told(run: Run, folder: Path, server: OpenAIServer) -> None:
    server.add(text("Hello."))
    run("say", "Hi", "--thread", "call-1")
    (folder / "voice.checkpoints.db").write_bytes(b"Dear diary, " * 500)
    ran = run("say", "Hi", "--thread", "call-1")
    assert (ran.code, ran.out, ran.errors.count("\n")) == (1, "", 1)
    assert "voice.checkpoints.db" in ran.errors


@pytest.mark.usefixtures("server")
def test_a_path_that_cannot_be_made_is_told(run: Run, folder: Path) -> None:
    (folder / "file").write_text("")
    ran = run("say", "Hi", "--db", "sqlite:///file/voice.db")
    assert (ran.code, ran.out, ran.errors.count("\n")) == (1, "", 1)
    assert [path.name for path in folder.iterdir()] == ["file"]
