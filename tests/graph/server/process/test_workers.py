"""`voicegraph serve --workers`: several processes behind one port, of which any may die."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from openai_server import Gate, OpenAIServer, text
from patience import PATIENCE
from serving import Process, serving

HI = [{"role": "user", "content": "Hi"}]
SETTINGS = {"VOICEGRAPH_MODEL_ATTEMPTS": "1", "VOICEGRAPH_FILLER_AFTER": "30"}


@pytest.fixture
def backend() -> Iterator[OpenAIServer]:
    with OpenAIServer() as backend:
        yield backend


@pytest.fixture
def server(tmp_path: Path, backend: OpenAIServer, postgres_url: str) -> Iterator[Process]:
    options = ("--workers", "2")
    with serving(tmp_path, backend, *options, settings=SETTINGS, database_url=postgres_url) as process:
        try:
            yield process
        finally:
            for worker in workers(process):  # Should the test have failed before they ended.
                with suppress(psutil.NoSuchProcess):
                    worker.kill()


def workers(server: Process) -> list[psutil.Process]:
    """Return the workers that run."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(server.process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def wait_for_workers(server: Process, without: int = 0) -> list[psutil.Process]:
    """Return two workers, none of them the one with the number `without`."""
    while True:
        found = workers(server)
        if len(found) == 2 and all(worker.pid != without for worker in found):
            return found


def ask(server: Process, thread: str) -> str:
    body = {"messages": HI, "thread_id": thread}
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=PATIENCE)
    return answer.json()["choices"][0]["message"]["content"]


def test_a_worker_that_dies_is_started_again(server: Process, backend: OpenAIServer) -> None:
    backend.add(text("Hello."), text("Hello again."))
    assert ask(server, "one") == "Hello."
    victim = wait_for_workers(server)[0]
    victim.kill()
    wait_for_workers(server, without=victim.pid)
    assert ask(server, "two") == "Hello again."
    lines = [server.process.stderr.readline() for _ in range(2)]
    assert lines[1] == f"voicegraph: worker {victim.pid} was killed by signal 9: starting another one\n"


def test_workers_are_measured_as_one(server: Process, backend: OpenAIServer) -> None:
    backend.add(*(text("Hello.") for _ in range(6)))
    wait_for_workers(server)
    for number in range(6):
        ask(server, f"call-{number}")
    measured = httpx.get(f"{server.url}/metrics").text
    assert 'voicegraph_turn_seconds_count{outcome="stop"} 6.0' in measured


def test_workers_that_are_told_to_end_let_turns_end(server: Process, backend: OpenAIServer) -> None:
    gate = Gate()
    backend.add(text("One two three", hold_after=2, gate=gate))
    running = wait_for_workers(server)
    body = {"messages": HI, "stream": True, "thread_id": "t"}
    url = f"{server.url}/v1/chat/completions"
    with httpx.Client(timeout=PATIENCE) as client, client.stream("POST", url, json=body) as answer:
        lines = answer.iter_lines()
        while "two" not in next(lines):
            pass
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(httpx.HTTPError):
            while True:  # Until nobody listens any more.
                httpx.get(f"{server.url}/health")
        gate.open()
        rest = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert "three" in "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in rest)
    assert server.process.wait(timeout=PATIENCE) == 0
    assert not any(worker.is_running() for worker in running)


def test_workers_end_when_the_process_that_watches_them_is_killed(server: Process) -> None:
    running = wait_for_workers(server)
    os.kill(server.process.pid, signal.SIGKILL)
    gone, alive = psutil.wait_procs(running, timeout=PATIENCE)
    assert (len(gone), alive) == (2, [])


def test_sqlite_is_refused_in_one_line(tmp_path: Path, backend: OpenAIServer) -> None:
    with pytest.raises(AssertionError, match="several workers need PostgreSQL") as refused:
        with serving(tmp_path, backend, "--workers", "2"):
            pass
    assert str(refused.value).count("\n") == 1
