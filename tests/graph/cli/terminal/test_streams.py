"""Commands whose streams are closed, broken or full, or whose folder is gone: one line, and an exit code."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked_python import run_python
from openai_server import OpenAIServer, text

COMMAND = shlex.join([sys.executable, "-m", "voicegraph.graph"])


def shell(command: str, folder: Path) -> tuple[int, str, str]:
    """Run a command line of a shell and return its exit code, output and errors."""
    ran = subprocess.run(
        ["bash", "-c", command.replace("voicegraph ", f"{COMMAND} ", 1)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in ran.stderr
    return ran.returncode, ran.stdout, ran.stderr


def forked(command: str, folder: Path, before: str) -> tuple[int, str, str]:
    """Run a command after a line of Python; return its exit code, output and errors."""
    program = f"import os, sys; {before}; from voicegraph.graph.cli import main; main({shlex.split(command)})"
    ran = run_python(["-c", program], cwd=folder)
    assert "Traceback" not in ran[2]
    return ran


def closing(*streams: str) -> str:
    """Return a line of Python that leaves the streams as Python finds those that are closed at its start."""
    numbers = {"stdin": 0, "stdout": 1, "stderr": 2}
    return "; ".join(f"os.close({numbers[name]}); sys.{name} = None" for name in streams)


@pytest.fixture
def agent(run: Callable[..., Any]) -> None:
    assert run("memory", "set", "human", "Ada.").code == 0


CANNOT_WRITE = (1, "", "voicegraph: the output stream is closed\n")


def test_help_that_cannot_be_written_fails_in_one_line(folder: Path) -> None:
    assert shell("voicegraph --help >&-", folder) == CANNOT_WRITE


@pytest.mark.usefixtures("agent")
@pytest.mark.parametrize("command", ["db upgrade", "agents show default"])
def test_a_command_that_cannot_write_its_output_fails_in_one_line(folder: Path, command: str) -> None:
    assert forked(command, folder, closing("stdout")) == CANNOT_WRITE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_one_line(folder: Path) -> None:
    code, _, errors = shell("voicegraph db upgrade >/dev/full", folder)
    assert (code, errors) == (1, "voicegraph: No space left on device\n")


@pytest.mark.parametrize(
    ("command", "closed", "code"),
    [
        ("--help", ["stdin", "stderr"], 0),
        ("threads", ["stdin", "stdout", "stderr"], 0),
        ("db upgrade", ["stdin", "stdout", "stderr"], 1),
        ("history nowhere", ["stdin", "stdout", "stderr"], 2),
        ("nonsense", ["stderr"], 2),
    ],
)
def test_the_exit_code_is_right_when_nothing_can_be_written(
    folder: Path, command: str, closed: list[str], code: int
) -> None:
    assert forked(command, folder, closing(*closed))[0] == code


def test_a_closed_input_is_an_empty_one(folder: Path, server: OpenAIServer) -> None:
    code, out, errors = forked("say -", folder, closing("stdin"))
    assert (code, out, errors) == (2, "", "voicegraph: the message is empty: say something\n")
    code, out, _ = forked("chat", folder, closing("stdin"))
    assert (code, out.strip()) == (0, "")


def test_a_turn_with_closed_streams_goes_on_in_its_database_alone(
    folder: Path, server: OpenAIServer, run: Callable[..., Any]
) -> None:
    server.add(text("Hello."))
    assert shell("voicegraph say Hi --thread call-1 <&- 2>&-", folder) == (0, "Hello.\n", "")
    out = run("history", "call-1").out
    assert "Hi" in out and "Hello." in out


def test_a_reader_that_leaves_ends_the_command_in_silence(folder: Path, server: OpenAIServer) -> None:
    server.add(text("Hello."))
    command = f"set -o pipefail; {COMMAND} say Hi --thread call-1 | true"
    ran = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (1, "")
    ran = subprocess.run(
        ["bash", "-c", f"{COMMAND} nonsense 2>&1 >/dev/null | true; echo ${{PIPESTATUS[0]}}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.stdout == "2\n"


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        ("--version", 0, ""),
        ("threads", 2, "the working directory was deleted"),
        ("say Hi", 2, "the working directory was deleted"),
        ("db upgrade --db sqlite:///:memory:", 0, ""),
        ("draw --out graph.svg --db sqlite:///:memory:", 2, "cannot be written"),
        ("agents create a --tool nowhere:tool --db sqlite:///:memory:", 2, "cannot be imported"),
    ],
)
@pytest.mark.usefixtures("server")
def test_a_folder_that_was_deleted_is_one_line_where_it_matters(
    folder: Path, command: str, code: int, told: str
) -> None:
    gone = folder / "gone"
    gone.mkdir()
    ran = forked(command, gone, "os.rmdir(os.getcwd())")
    assert ran[0] == code
    assert told in ran[2] and ran[2].count("\n") <= 1


def test_a_command_starts_in_a_folder_that_was_deleted(folder: Path) -> None:
    gone = folder / "gone"
    gone.mkdir()
    code, _, errors = shell(f"rmdir {shlex.quote(str(gone))}; {COMMAND} threads", gone)
    assert (code, errors.count("\n"), "the working directory was deleted" in errors) == (2, 1, True)


def test_a_server_without_streams_serves_and_ends(folder: Path, server: OpenAIServer) -> None:
    process = subprocess.Popen(
        ["bash", "-c", f"exec {COMMAND} serve --port 0 <&- >&-"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    try:
        assert process.stderr.readline().startswith("Listening at ")
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    assert "Assertion" not in errors and "Traceback" not in errors
