"""Help: quick, complete, with examples."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest

Run = Callable[..., Any]

COMMANDS = [
    ["chat"],
    ["say"],
    ["draw"],
    ["threads"],
    ["history"],
    ["resume"],
    ["checkpoints"],
    ["fork"],
    ["agents", "list"],
    ["agents", "show"],
    ["agents", "create"],
    ["agents", "delete"],
    *(["memory", name] for name in "show set history undo redo attach detach search archive".split()),
    *(["memory", name] for name in "consolidate embed forget export import".split()),
    *(["keys", name] for name in ("create", "list", "revoke")),
    ["serve"],
    ["db", "upgrade"],
    ["db", "copy"],
    ["eval", "recall"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_each_command_ends_in_an_example_of_it(run: Run, command: list[str]) -> None:
    ran = run(*command, "--help")
    assert ran.code == 0
    example = " ".join(ran.out.split()).partition("Example: voicegraph ")[2]
    assert " ".join(command) in example
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_help_tells_the_exit_codes(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert "130 interrupted" in " ".join(ran.out.split())


def test_a_bare_command_shows_the_help(run: Run) -> None:
    assert run().out == run("--help").out


def test_the_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").out == f"voicegraph {version('voicegraph')}\n"


def test_help_imports_neither_langgraph_nor_the_database() -> None:
    heavy = "{'langgraph', 'langchain_core', 'sqlalchemy', 'openai', 'pydantic'}"
    program = f"import sys, voicegraph.graph.cli; print({heavy} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize(
    "arguments",
    [["sing"], ["say"], ["say", "a", "b"], ["say", "--loud", "a"], ["agents"], ["draw", "--format", "jpg"]],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_code_2(run: Run, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out, ran.errors.count("\n")) == (2, "", 1)
    assert ran.errors.startswith("voicegraph: ")


def test_wrong_usage_names_the_help_of_the_command(run: Run) -> None:
    assert run("checkpoints", "call-42", "--limit", "0").errors.endswith(
        "(see voicegraph checkpoints --help)\n"
    )
    assert run("keys", "revoke").errors.endswith("(see voicegraph keys revoke --help)\n")
