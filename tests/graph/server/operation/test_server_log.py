"""What a server writes when things go wrong: the cause of each apology in a line, and nothing private."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai_server import OpenAIServer, Reply, ToolCall, bad_request, error, invalid_key, text, tool_calls
from serving import serving

from voicegraph.nodes.turn.limits import TurnLimits

APOLOGY, FILTERED = TurnLimits().apology, TurnLimits().filtered_reply
JSON = {"content-type": "application/json"}
SECRETS = ("9999", "sk-secret-key", "vg-stranger", "Brighton Street")
TOOL = '''
import logging

def look_up(street: str) -> str:
    """Look an address up."""
    raise ValueError(f"no such street: {street}")
'''
FAILING = {
    "VOICEGRAPH_MODEL_ATTEMPTS": "1",
    "VOICEGRAPH_FILLER_AFTER": "30",
    "OPENAI_API_KEY": "sk-secret-key",
}


def quoting(message: str) -> str:
    return f"{message}: 'My PIN is 9999' by sk-secret-key"


ANSWERS: dict[str, Reply] = {
    "wrong-key": invalid_key("sk-secret-key-of-a-tenant"),
    "filtered": error(400, "content_filter", quoting("The response was filtered")),
    "refused": bad_request(quoting("Invalid value")),
    "tool": tool_calls(
        [ToolCall("look_up", '{"pre_exec_msg": "Let me look.", "street": "Brighton Street"}')]
    ),
    "empty": Reply(body="data: [DONE]\n\n", headers={"content-type": "text/event-stream"}),
    "broken": text("One two three", drop_after=2),
}


def answer(request: dict[str, Any]) -> Reply:
    """Fail in the way that the caller's words name."""
    if request["messages"][-1]["role"] == "tool" or "tool failed" in str(request["messages"][-1]["content"]):
        return text("I found nothing.")
    said = next(str(each["content"]) for each in request["messages"] if each["role"] == "user")
    return ANSWERS[said.partition(":")[0]]


def failing_run(folder: Path, *options: str) -> Iterator[str]:
    """Serve turns that fail in every way, and give what was said in each; then what was written."""
    (folder / "address_book.py").write_text(TOOL)
    with (
        OpenAIServer(strict=False, default=answer) as backend,
        serving(folder, backend, "--tool", "address_book:look_up", *options, settings=FAILING) as server,
        httpx.Client(base_url=server.url, timeout=20) as client,
    ):
        for thread in ANSWERS:
            words = f"{thread}: my PIN is 9999"
            body: Any = {"messages": [{"role": "user", "content": words}], "thread_id": thread}
            reply = client.post("/v1/chat/completions", json=body)
            yield reply.json()["choices"][0]["message"]["content"]
        for content in (b'{"messages": "My PIN is 9999"', b'{"messages": [{"content": "9999"}], "PIN 9999'):
            refused = client.post("/v1/chat/completions", content=content, headers=JSON)
            assert refused.status_code == 400
        for key, status in (("vg-stranger", 401), ("sk-secret-key", 422)):
            headers = {"Authorization": f"Bearer {key}", "X-PIN": "9999"}
            wrong = client.post("/v1/agents", json={"name": "9999", "PIN": "9999"}, headers=headers)
            assert wrong.status_code == status
        assert server.terminate() == 0
        yield server.process.stderr.read()


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return list(failing_run(tmp_path_factory.mktemp("failing")))


def lines_of(written: str, thread: str) -> list[str]:
    return [line for line in written.splitlines() if f" thread_id={thread} " in line]


def test_every_failure_is_spoken(failed: list[str]) -> None:
    *said, _ = failed
    assert said[0] == said[2] == said[4] == APOLOGY
    assert said[1] == FILTERED
    assert said[3].endswith("I found nothing.")
    assert said[5].startswith("One two")


@pytest.mark.parametrize(
    ("thread", "code"),
    [
        ("wrong-key", "model_refused"),
        ("filtered", "content_filter"),
        ("refused", "request_refused"),
        ("empty", "model_protocol"),
        ("broken", "model_unavailable"),
    ],
)
def test_each_apology_has_a_line_with_its_cause(failed: list[str], thread: str, code: str) -> None:
    line = lines_of(failed[-1], thread)[-1]
    pattern = (
        rf"^\S+T\S+ WARNING voicegraph\S* .+ thread_id={thread} agent=default model=openai:\S+ error={code} "
    )
    assert re.match(pattern, line), line
    assert re.search(r" place=\w+/\w+\.py:\d+$", line), line


def test_the_cause_says_what_to_do(failed: list[str]) -> None:
    assert any("check the key (OPENAI_API_KEY)" in line for line in lines_of(failed[-1], "wrong-key"))


def test_a_tool_that_fails_has_a_line_with_the_kind_of_its_exception(failed: list[str]) -> None:
    [line] = lines_of(failed[-1], "tool")
    assert "WARNING" in line
    assert "tool=look_up" in line
    assert "ValueError" in line


def test_nothing_that_was_said_and_no_key_is_written(failed: list[str]) -> None:
    assert [secret for secret in SECRETS if secret in failed[-1]] == []


def test_with_verbose_no_line_above_debug_tells_more(tmp_path: Path) -> None:
    *_, written = failing_run(tmp_path, "--verbose")
    records = re.split(r"\n(?=\d{4}-\d\d-\d\dT)", written)
    assert any(" DEBUG voicegraph" in record.partition("\n")[0] for record in records)
    others = [record for record in records if " DEBUG " not in record.partition("\n")[0]]
    assert [record for record in others for secret in SECRETS if secret in record] == []


def test_a_quiet_server_writes_no_warning(tmp_path: Path) -> None:
    *said, written = failing_run(tmp_path, "--quiet")
    assert said[0] == APOLOGY
    assert "WARNING" not in written
