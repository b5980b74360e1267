"""Run the command line: in this process where that is enough, as a process of its own where it is not."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_runs import Ran, Run, Start
from forked_python import ForkedPython
from openai_server import OpenAIServer

from voicegraph.graph.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the empty folder in which the test's commands run; their database is `voice.db` in it."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("VOICEGRAPH_DATABASE_URL", "sqlite:///voice.db")
    monkeypatch.setattr(sys, "path", list(sys.path))
    return home


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """Serve the model of all commands of the test; give it replies with `add`."""
    with OpenAIServer() as openai:
        monkeypatch.setenv("OPENAI_BASE_URL", openai.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        yield openai
    openai.check()


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return how to run a command in this process, with bytes or text as its input."""

    def run_it(*arguments: str, stdin: str | bytes = "") -> Ran:
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, captured.out, captured.err)

    return run_it


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Return how to start a command as a process of its own, killed at the end if need be."""
    started: list[ForkedPython] = []

    def start_it(*arguments: str) -> ForkedPython:
        process = ForkedPython(["-m", "voicegraph.graph", *arguments], cwd=folder)
        started.append(process)
        return process

    yield start_it
    for process in started:
        process.close()
