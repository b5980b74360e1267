"""`langgraph dev` loads the graph by `langgraph.json` and runs turns of it."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from free_port import free_port
from openai_server import OpenAIServer, text
from patience import PATIENCE

ROOT = Path(__file__).parents[2]
STARTED = "Application started up"


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[tuple[httpx.Client, OpenAIServer]]:
    """Start it as a process of its own; its model is the scripted server."""
    port = free_port()
    command = [Path(sys.executable).with_name("langgraph"), "dev", "--config", ROOT / "langgraph.json"]
    with OpenAIServer() as model:
        environment = {
            **os.environ,
            "OPENAI_BASE_URL": model.base_url,
            "VOICEGRAPH_DATABASE_URL": f"sqlite:///{tmp_path}/voice.db",
            "LANGGRAPH_CLI_NO_ANALYTICS": "1",
            "LANGSMITH_TRACING": "false",
        }
        process = subprocess.Popen(
            [*map(str, command), "--port", str(port), "--no-browser", "--no-reload"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        seen: list[str] = []
        drain: threading.Thread | None = None
        try:
            for line in process.stdout:
                seen.append(line)
                if STARTED in line:
                    break
            else:
                raise AssertionError("".join(seen))
            # Whatever else it writes: a pipe that nobody reads would stop it.
            drain = threading.Thread(target=process.communicate)
            drain.start()
            # It says that it has started a moment before it listens.
            connecting = httpx.HTTPTransport(retries=10)
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, transport=connecting
            ) as client:
                yield client, model
        finally:
            process.kill()
            if drain is not None:
                drain.join()


def test_it_runs_turns_of_a_thread_and_one_without_a_thread(dev: tuple[httpx.Client, OpenAIServer]) -> None:
    client, model = dev
    model.add(text("Hello Ada."), text("You are Ada."), text("Nobody."))

    def run(path: str, words: str) -> list[Any]:
        said = {"messages": [{"role": "user", "content": words}]}
        answer = client.post(path, json={"assistant_id": "voicegraph", "input": said})
        return [message["content"] for message in answer.raise_for_status().json()["messages"]]

    thread = client.post("/threads", json={}).raise_for_status().json()["thread_id"]
    assert run(f"/threads/{thread}/runs/wait", "I'm Ada.") == ["I'm Ada.", "Hello Ada."]
    assert run(f"/threads/{thread}/runs/wait", "Who am I?")[2:] == ["Who am I?", "You are Ada."]
    assert run("/runs/wait", "Who am I?") == ["Who am I?", "Nobody."]
