"""The server as a process of its own, and scripts as JSON."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from openai_server import (
    Reply,
    ToolCall,
    Usage,
    rate_limited,
    reply_from_json,
    script_from_json,
    text,
    tool_calls,
)

ASK: dict[str, Any] = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Hi"}]}


@contextmanager
def process(script: Any, folder: Path) -> Iterator[str]:
    """Run the server as tests of subprocesses do; yield its base URL."""
    (folder / "script.json").write_text(json.dumps(script))
    files = ["--script", str(folder / "script.json"), "--requests", str(folder / "log.jsonl")]
    command = [sys.executable, "-m", "openai_server", "--port", "0", *files]
    tests = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tests) as running:
        assert running.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(running.stdout.readline())}/v1"
        finally:
            running.kill()


def test_a_process_prints_its_port_answers_by_the_script_and_logs_each_request(tmp_path: Path) -> None:
    script = [{"text": "Hello there."}, {"rate_limited": {"retry_after": 1}}]
    with process(script, tmp_path) as base_url, httpx.Client() as client:
        first, second = (client.post(f"{base_url}/chat/completions", json=ASK) for _ in range(2))
    assert first.json()["choices"][0]["message"]["content"] == "Hello there."
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["event"], line["index"]) for line in log] == [
        ("request", 0),
        ("finished", 0),
        ("request", 1),
        ("finished", 1),
    ]
    assert log[0]["body"] == ASK and log[3]["status"] == 429


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"text": "a b", "drop_after": 1, "drop_how": "close"}, text("a b", drop_after=1, drop_how="close")),
        ({"text": "ab", "by": "characters"}, text("ab", by="characters")),
        ({"text": ["a", "b"], "empty_choices_at": [1]}, text(["a", "b"], empty_choices_at=(1,))),
        (
            {"text": "a", "usage": {"prompt": 5}, "finish_reason": None},
            text("a", usage=Usage(5), finish_reason=None),
        ),
        ({"rate_limited": {"retry_after": 2}}, rate_limited(2)),
        (
            {"tool_calls": [{"name": "clock", "arguments": {"a": 1}, "id": "c"}], "text": "Wait."},
            tool_calls([ToolCall("clock", '{"a": 1}', "c")], content="Wait."),
        ),
        (
            {"tool_calls": [{"name": "clock", "arguments": ["{", "}"]}], "ids": "every"},
            tool_calls([ToolCall("clock", ("{", "}"))], ids="every"),
        ),
    ],
)
def test_a_reply_as_json_is_the_reply_in_python(data: dict[str, Any], expected: Reply) -> None:
    loaded = reply_from_json(data)
    assert loaded.but(gate=expected.gate) == expected


def test_a_script_has_a_default_a_key_models_and_a_stall() -> None:
    source = {
        "replies": [{"text": "a", "hold_before_headers": "forever"}],
        "default": {"text": "b"},
        "models": ["m"],
    }
    script = script_from_json(json.dumps({**source, "require_key": "k", "strict": False}))
    assert script.replies[0].hold_before_headers is not None
    assert script.default is not None and script.default.pieces == ("b",)
    assert (script.models, script.require_key, script.strict) == (frozenset({"m"}), "k", False)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{"reply": []}', "unknown in a script: reply"),
        ('[{"text": "a", "drop_afer": 1}]', "unknown in a reply: drop_afer"),
        ('[{"text": "a", "hold_before_done": 3}]', 'hold_before_done must be "forever"'),
    ],
)
def test_a_script_with_a_mistake_is_refused_by_name(source: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        script_from_json(source)
