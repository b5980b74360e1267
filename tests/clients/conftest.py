"""A real server process for real clients, and the model server behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_server import OpenAIServer
from served_phone import Phone
from serving import Process, serving

HERE = Path(__file__).parent
TOOLS = ("--tool", "phone_tools:book_table", "--tool", "phone_tools:look_up")


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Return the settings of the module's server."""
    return {"filler_after": "30", "model_attempts": "1"}


@pytest.fixture(scope="module")
def process(settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("clients")
    named = {f"VOICEGRAPH_{name.upper()}": value for name, value in settings.items()}
    named |= {"PYTHONPATH": str(HERE), "RUNS": str(folder / "runs")}
    with OpenAIServer() as backend, serving(folder, backend, *TOOLS, settings=named) as process:
        yield process


@pytest.fixture
def phone(process: Process, request: pytest.FixtureRequest) -> Iterator[Phone]:
    """The module's server; its model must be asked for each answer it is given, in requests without fault."""
    runs = Path(process.database_url.removeprefix("sqlite:///")).with_name("runs")
    runs.write_text("")
    yield Phone(process, runs, request.node.name, len(process.backend.requests))
    try:
        process.backend.check()
    finally:  # One broken test must not break the next one.
        process.backend._answering.queue.clear()


def pytest_configure(config: pytest.Config) -> None:
    """Let the clients warn of what they like: it is their code."""
    config.addinivalue_line("filterwarnings", "default")
