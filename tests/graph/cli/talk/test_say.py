"""`voicegraph say`: one turn, its reply on the output stream, everything else beside it."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked_python import ForkedPython
from openai_server import OpenAIServer, ToolCall, invalid_key, text, tool_calls
from patience import PATIENCE

from voicegraph.nodes.turn.limits import TurnLimits

Run = Callable[..., Any]
Start = Callable[..., ForkedPython]

LOOK = tool_calls([ToolCall("dishes", '{"pre_exec_msg": "Let me look.", "day": "today"}')])


@pytest.fixture
def waiter(folder: Path, run: Run) -> None:
    """Make an agent with a tool from a module of the current folder."""
    tool = 'def dishes(day: str) -> str:\n    "Tell the dishes of a day."\n    return "Soup."\n'
    (folder / "todays_menu.py").write_text(tool)
    assert run("agents", "create", "waiter", "--tool", "todays_menu:dishes").code == 0


def test_the_second_process_on_a_thread_knows_what_the_first_one_said(
    server: OpenAIServer, start: Start
) -> None:
    server.add(text("Hello Ada."), text("You are Ada."))
    said: list[tuple[int, str, str]] = []
    for words in ("I am Ada.", "Who am I?"):
        process = start("say", words, "--thread", "call-1")
        out, errors = process.communicate(timeout=PATIENCE)
        said.append((process.returncode or 0, out, errors))
    assert said == [(0, "Hello Ada.\n", ""), (0, "You are Ada.\n", "")]
    window = [(message["role"], message["content"]) for message in server.requests[1].messages]
    assert window[1:] == [("user", "I am Ada."), ("assistant", "Hello Ada."), ("user", "Who am I?")]


def test_ctrl_c_ends_it_with_130_and_keeps_what_was_said(
    server: OpenAIServer, start: Start, run: Run
) -> None:
    held = text("One two three.", hold_after=2)
    server.add(held)
    process = start("say", "Count.", "--thread", "call-1")
    held.gate.wait_reached(within=PATIENCE)
    assert process.stdout.read(7) == "One two"
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out.strip(), errors.strip()) == (130, "", "")
    assert [line[29:] for line in run("history", "call-1").out.splitlines()] == ["Count.", "One two"]


def test_without_a_thread_it_tells_how_to_go_on_beside_the_reply(server: OpenAIServer, run: Run) -> None:
    server.add(text("Hello."))
    ran = run("say", "Hi")
    assert (ran.code, ran.out) == (0, "Hello.\n")
    assert ran.errors.startswith("Continue with: voicegraph say --thread say-")
    assert run("threads").out.split("\t")[0] in ran.errors


@pytest.mark.usefixtures("waiter")
def test_tool_use_is_told_beside_the_reply(server: OpenAIServer, run: Run) -> None:
    server.add(LOOK, text("There is soup."))
    ran = run("say", "Food?", "--agent", "waiter", "--thread", "call-1")
    assert (ran.code, ran.out) == (0, "Let me look. There is soup.\n")
    called, ended = ran.errors.splitlines()
    assert called == "  dishes(day='today')"
    assert re.fullmatch(r"  dishes: success, \d+\.\d s", ended)


@pytest.mark.usefixtures("waiter")
def test_json_is_one_event_a_line_and_only_speech_has_content(server: OpenAIServer, run: Run) -> None:
    server.add(LOOK, text("Soup."))
    ran = run("say", "Food?", "--agent", "waiter", "--thread", "call-1", "--json")
    events = [json.loads(line) for line in ran.out.splitlines()]
    kinds = list(dict.fromkeys(event["type"] for event in events))
    assert kinds == ["speech", "tool_started", "tool_finished", "turn_finished"]
    assert "".join(event["content"] for event in events if "content" in event) == "Let me look. Soup."
    assert {event["type"] for event in events if "content" in event} == {"speech"}


@pytest.mark.usefixtures("waiter")
def test_a_thread_keeps_its_agent(server: OpenAIServer, run: Run) -> None:
    server.add(text("Yes?"), text("Soup."))
    run("say", "Waiter!", "--agent", "waiter", "--thread", "call-1")
    assert run("say", "Food?", "--thread", "call-1").code == 0
    assert [tool["function"]["name"] for tool in server.requests[1].body["tools"]][-1] == "dishes"
    ran = run("say", "Food?", "--thread", "call-1", "--agent", "default")
    assert (ran.code, ran.out) == (2, "")
    assert "belongs to agent 'waiter'" in ran.errors


def test_a_model_that_is_named_wins_over_the_agents_own(server: OpenAIServer, run: Run) -> None:
    server.add(text("Hi."), text("Hi."))
    run("agents", "create", "clerk", "--model", "openai:one")
    run("say", "Hi", "--agent", "clerk")
    run("say", "Hi", "--agent", "clerk", "--model", "openai:two")
    assert [request.body["model"] for request in server.requests] == ["one", "two"]


def test_a_dash_reads_the_words_from_the_input(server: OpenAIServer, run: Run) -> None:
    server.add(text("Hello."))
    assert run("say", "-", stdin="Grüß dich\n").code == 0
    assert server.requests[0].messages[-1]["content"] == "Grüß dich"


def test_a_turn_that_fails_speaks_its_apology_and_ends_with_1(
    server: OpenAIServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICEGRAPH_MODEL_ATTEMPTS", "1")
    server.add(text("One two", drop_after=0))
    ran = run("say", "Hi", "--thread", "call-1")
    assert ran.code == 1
    assert ran.out.startswith("Sorry, ")
    assert ran.errors.startswith("voicegraph: the turn failed: ")
    assert ran.errors.count("\n") == 1


def test_a_provider_that_refuses_is_spoken_of_and_named_in_one_line(server: OpenAIServer, run: Run) -> None:
    server.add(invalid_key())
    ran = run("say", "Hi", "--thread", "call-1")
    assert (ran.code, ran.out.strip(), ran.errors.count("\n")) == (1, TurnLimits().apology, 1)
    assert ran.errors.startswith("voicegraph: ")
