"""What whoever looks after the process is told."""

from typing import Any

import pytest
from served_app import Serve

from voicegraph.graph.server.operation.metrics import Metrics
from voicegraph.nodes import Event, Speech, ToolFinished, TurnFailed, TurnFinished
from voicegraph.state import Actor
from voicegraph.state.errors import StorageError
from voicegraph.state.usage import Usage

USAGE = Usage(input_tokens=100, output_tokens=20, cached_tokens=60)
ENDED: dict[str, Any] = {
    "turn_id": "t1",
    "usage": USAGE,
    "steps": 1,
    "first_speech_seconds": 0.25,
    "seconds": 1.5,
}


async def test_a_process_that_answers_is_alive_and_ready_without_a_key(serve: Serve) -> None:
    async with serve(address="8.8.8.8") as served, served.client() as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
        assert (await client.get("/ready")).json() == {"status": "ready"}


async def test_a_process_that_is_about_to_end_is_alive_and_not_ready(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        served.app.state.draining = True
        assert (await client.get("/health")).status_code == 200
        answer = await client.get("/ready")
        assert (answer.status_code, answer.json()) == (503, {"status": "draining"})


async def test_a_process_without_its_database_is_not_ready(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise StorageError("away")

    async with serve() as served, served.client() as client:
        monkeypatch.setattr("voicegraph.graph.server.access.keyring.keys_stamp", away)
        answer = await client.get("/ready")
        assert answer.status_code == 503
        assert answer.json() == {"status": "no database", "reason": "the database failed"}


async def test_metrics_are_for_this_machine_or_for_a_key_of_the_default_user(serve: Serve) -> None:
    async with serve() as served:
        key, anothers = await served.key(Actor()), await served.key(Actor("acme", "ada"))
        async with served.client() as near:
            assert (await near.get("/metrics")).status_code == 200
    async with serve(address="8.8.8.8") as served:
        async with served.client() as far, served.client(key) as far_with_key:
            assert (await far.get("/metrics")).status_code == 401
            assert "voicegraph_running_turns 0.0" in (await far_with_key.get("/metrics")).text
            headers = {"authorization": f"Bearer {anothers}"}
            assert (await far.get("/metrics", headers=headers)).status_code == 403


async def test_responses_are_counted_by_status(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        for path in ("/health", "/health", "/v1/nowhere"):
            await client.get(path)
        counted = (await client.get("/metrics")).text.splitlines()
    assert 'voicegraph_http_responses_total{status="200"} 2.0' in counted
    assert 'voicegraph_http_responses_total{status="404"} 1.0' in counted


def lines(*events: Event) -> set[str]:
    metrics = Metrics(lambda: 3)
    for event in events:
        metrics.note(event)
    return set(metrics.text().decode().splitlines())


def test_a_turn_is_counted_with_its_times_and_tokens() -> None:
    counted = lines(Speech(content="Hello."), TurnFinished(finish_reason="stop", **ENDED))
    assert 'voicegraph_turn_seconds_count{outcome="stop"} 1.0' in counted
    assert 'voicegraph_first_speech_seconds_bucket{le="0.3"} 1.0' in counted
    assert 'voicegraph_first_speech_seconds_bucket{le="0.2"} 0.0' in counted
    assert 'voicegraph_tokens_total{kind="input"} 100.0' in counted
    assert 'voicegraph_tokens_total{kind="cached"} 60.0' in counted
    assert "voicegraph_running_turns 3.0" in counted


def test_a_turn_without_a_word_has_no_time_to_the_first_one() -> None:
    silent = {**ENDED, "first_speech_seconds": None}
    counted = lines(TurnFinished(finish_reason="interrupted", **silent))
    assert "voicegraph_first_speech_seconds_count 0.0" in counted


def test_a_failed_turn_is_counted_by_the_kind_of_its_error() -> None:
    counted = lines(TurnFailed(error="model_timeout", message="late", **ENDED))
    assert 'voicegraph_failures_total{error="model_timeout"} 1.0' in counted
    assert 'voicegraph_turn_seconds_count{outcome="failed"} 1.0' in counted


def test_a_tool_is_counted_by_name() -> None:
    counted = lines(ToolFinished(tool_call_id="c1", name="book", status="success", seconds=0.3))
    assert 'voicegraph_tool_seconds_count{status="success",tool="book"} 1.0' in counted


def test_two_applications_count_apart() -> None:
    lines(TurnFinished(finish_reason="stop", **ENDED))
    assert 'voicegraph_turn_seconds_count{outcome="stop"} 1.0' not in lines()
