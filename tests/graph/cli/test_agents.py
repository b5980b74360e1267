"""`voicegraph agents`: what is typed is what is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from openai_server import OpenAIServer, text

Run = Callable[..., Any]


def test_an_agent_is_created_shown_listed_and_deleted(run: Run, folder: Path) -> None:
    (folder / "system.txt").write_text("Be kind.\n")
    (folder / "little_tools.py").write_text('def look() -> str:\n    "Look."\n    return ""\n')
    options = ["--model", "openai:x", "--system-file", "system.txt", "--tool", "little_tools:look"]
    created = run(
        "agents", "create", "waiter", *options, "--block", "persona=I wait.", "--time-zone", "Asia/Tokyo"
    )
    assert created.code == 0
    shown = run("agents", "show", "waiter").out
    for kept in ("openai:x", "Be kind.", "little_tools:look", "I wait.", "Asia/Tokyo", "block human"):
        assert kept in shown
    assert run("agents", "list").out.split("\t")[:3] == ["waiter", "openai:x", "little_tools:look"]
    assert run("agents", "delete", "waiter").code == 0
    assert run("agents", "show", "waiter").code == 2


def test_a_thread_of_a_deleted_agent_is_forgotten_with_its_checkpoints(
    run: Run, server: OpenAIServer
) -> None:
    server.add(text("Hello Ada."), text("Who are you?"))
    run("agents", "create", "waiter")
    run("say", "I am Ada.", "--agent", "waiter", "--thread", "one")
    run("agents", "delete", "waiter")
    assert run("threads").out == ""
    run("say", "Hi", "--thread", "one")
    assert [message["content"] for message in server.requests[1].messages][1:] == ["Hi"]
