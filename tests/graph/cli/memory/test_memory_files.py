"""`voicegraph memory forget`, `export` and `import`."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer, text

Run = Callable[..., Any]


@pytest.fixture
def talked(run: Run, server: OpenAIServer) -> Run:
    """Talk as `ada`, keep something, and return how to run commands."""
    server.add(text("Hello Ada."))
    run("--user", "ada", "say", "I am quite Ada.", "--thread", "one")
    run("--user", "ada", "memory", "set", "human", "Called Ada.")
    run("--user", "ada", "memory", "archive", "She likes tea.")
    return run


def test_forgetting_ends_with_a_proof(talked: Run) -> None:
    ran = talked("--user", "ada", "memory", "forget", "user", "ada")
    assert ran.code == 0
    rows = [line.split("\t") for line in ran.out.splitlines()]
    counts = {name: (int(before), int(left)) for name, before, left in rows}
    assert counts["messages"] == (2, 0)
    assert counts["block_versions"] == (3, 0)
    assert counts["checkpoints"][0] > 0
    assert {left for _, left in counts.values()} == {0}
    assert "Forgot the user 'ada': nothing is left in " in ran.errors
    assert talked("--user", "ada", "memory", "export").out.count("Ada") == 0


def test_a_forgotten_user_is_in_none_of_the_files(talked: Run, folder: Path) -> None:
    talked("memory", "set", "human", "Somebody else.")
    assert talked("--user", "ada", "memory", "forget", "user", "ada").code == 0
    for words in (b"quite Ada", b"Called Ada", b"likes tea"):
        assert [file.name for file in folder.iterdir() if words in file.read_bytes()] == []
    assert talked("memory", "show", "human").out == "Somebody else.\n"


def test_a_thread_or_an_agent_is_forgotten_alone(talked: Run) -> None:
    assert talked("--user", "ada", "memory", "forget", "thread", "one", "--yes").code == 0
    assert talked("--user", "ada", "threads").out == ""
    assert talked("--user", "ada", "memory", "show", "human").out == "Called Ada.\n"
    assert talked("--user", "ada", "memory", "forget", "agent", "default", "-y").code == 0
    assert talked("--user", "ada", "agents", "list").out == ""


def test_another_user_cannot_forget_our_thread_or_agent(talked: Run) -> None:
    agent_id = talked("--user", "ada", "agents", "list").out.split("\t")[3].strip()
    assert talked("--user", "eve", "memory", "forget", "thread", "one").code == 2
    assert talked("--user", "eve", "memory", "forget", "agent", agent_id).code == 2
    assert "I am quite Ada." in talked("--user", "ada", "history", "one").out


def test_what_was_forgotten_can_be_imported_again(talked: Run, folder: Path) -> None:
    assert talked("--user", "ada", "memory", "export", "--out", "ada.json").code == 0
    assert stat.S_IMODE((folder / "ada.json").stat().st_mode) == 0o600
    talked("--user", "ada", "memory", "forget", "user", "ada")
    done = talked("--user", "ada", "memory", "import", "ada.json")
    assert done.out == "Added: 1 agents, 2 blocks, 1 threads, 2 messages, 1 passages.\n"
    assert "I am quite Ada." in talked("--user", "ada", "history", "one").out
    assert talked("--user", "ada", "memory", "undo", "human").code == 0
    assert "Nothing to add" in talked("--user", "ada", "memory", "import", "ada.json").out


def test_another_user_gets_a_copy_and_is_told_its_names(talked: Run) -> None:
    content = talked("--user", "ada", "memory", "export").out
    assert json.loads(content)["format"] == "voicegraph.memory"
    talked("memory", "set", "human", "Somebody else.")
    done = talked("memory", "import", "-", stdin=content)
    assert "'default' is imported as 'default-2'." in done.out
    assert "'one' is called" not in done.out
    assert "I am quite Ada." in talked("history", "one").out
    assert talked("memory", "show", "human", "--agent", "default-2").out == "Called Ada.\n"
    assert talked("--user", "ada", "memory", "show", "human").out == "Called Ada.\n"


@pytest.mark.parametrize("content", ["", "{", '{"format": "voicegraph.memory", "version": 3}', "[]"])
def test_a_wrong_file_is_refused_in_one_line(run: Run, content: str) -> None:
    ran = run("memory", "import", "-", stdin=content)
    assert (ran.code, ran.out, ran.errors.count("\n")) == (2, "", 1)
