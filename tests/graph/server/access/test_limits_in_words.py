"""A limit that is reached: a caller who listens hears an apology, a program gets the status."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_app import Serve

from voicegraph.graph.server.access import rates as rates_module
from voicegraph.graph.server.access.rates import Rates
from voicegraph.graph.server.access.running_turns import RunningTurns, TooManyTurns
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.nodes.turn.limits import TurnLimits
from voicegraph.state import Actor

ADA, EVE = Actor("acme", "ada"), Actor("other", "eve")
CHAT = "/v1/chat/completions"
APOLOGY = TurnLimits().apology


def body(words: str = "Hi", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words}], **fields}


def heard(answer: httpx.Response) -> str:
    assert answer.status_code == 200
    assert answer.text.endswith("data: [DONE]\n\n")
    lines = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return "".join(line["choices"][0]["delta"].get("content", "") for line in lines if line["choices"])


@pytest.fixture
async def limited(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    model = ScriptedChatModel(lambda _: "Hello.")
    settings = {"requests_per_minute": 1, "max_message_chars": 10}
    async with serve(model, **settings) as served, served.client(await served.key(ADA)) as client:
        yield client


async def test_too_many_requests_of_a_caller_are_answered_in_words(limited: httpx.AsyncClient) -> None:
    assert heard(await limited.post(CHAT, json=body(stream=True))) == "Hello."
    assert heard(await limited.post(CHAT, json=body(stream=True))) == APOLOGY


@pytest.mark.parametrize("fields", [{}, {"stream": True, "side_call": True}])
async def test_too_many_requests_of_a_program_are_answered_with_the_status(
    limited: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    await limited.post(CHAT, json=body())
    answer = await limited.post(CHAT, json=body(**fields))
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(answer.headers["retry-after"]) > 1


async def test_words_that_are_too_long_are_answered_in_words_where_a_caller_listens(serve: Serve) -> None:
    async with serve(ScriptedChatModel([]), max_message_chars=10) as served, served.client() as client:
        assert heard(await client.post(CHAT, json=body("word " * 10, stream=True))) == APOLOGY
        answer = await client.post(CHAT, json=body("word " * 10))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_message")


async def test_a_wrong_key_is_never_answered_in_words(serve: Serve) -> None:
    async with serve() as served, served.client("vg-wrong") as client:
        await served.key(ADA)
        assert (await client.post(CHAT, json=body(stream=True))).status_code == 401


async def test_a_user_with_too_many_running_turns_hears_an_apology_and_others_are_served(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedChatModel(lambda _: "Hello.")
    async with (
        serve(model, turns_per_user=1) as served,
        served.client(await served.key(ADA)) as ada,
        served.client(await served.key(EVE)) as eve,
    ):
        end = served.app.state.turns._running.begin(ADA)
        assert heard(await ada.post(CHAT, json=body(stream=True))) == APOLOGY
        assert (await ada.post(CHAT, json=body())).json()["error"]["code"] == "too_many_turns"
        assert heard(await eve.post(CHAT, json=body(stream=True))) == "Hello."
        end()
        assert heard(await ada.post(CHAT, json=body(stream=True))) == "Hello."


def test_turns_are_counted_until_they_end() -> None:
    running = RunningTurns(2)
    ends = [running.begin(ADA), running.begin(ADA)]
    with pytest.raises(TooManyTurns):
        running.begin(ADA)
    for end in (*ends, running.begin(EVE)):
        end()
    assert not running._running
    assert all(RunningTurns(None).begin(ADA) for _ in range(1_000))


def test_processes_that_share_a_folder_count_together(tmp_path: Path) -> None:
    now = 1_000.0
    both = [Rates(4, lambda: now, shared=tmp_path) for _ in range(2)]
    assert [both[turn % 2].take(ADA) for turn in range(4)] == [0.0] * 4
    assert [round(each.take(ADA), 3) for each in both] == [15.0, 15.0]
    assert both[1].take(EVE) == 0.0
    now += 15.0
    assert [each.take(ADA) > 0 for each in both] == [False, True]


def test_users_who_meet_in_the_same_slots_of_a_shared_folder_are_all_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicegraph.graph.server.access.shared_rates.SLOTS", 8)
    rates = Rates(1, lambda: 1_000.0, shared=tmp_path)
    assert [rates.take(Actor("acme", f"user-{number}")) for number in range(100)] == [0.0] * 100


def test_of_many_users_those_who_asked_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates_module, "MOST_USERS", 3)
    rates = Rates(1, lambda: 1_000.0)
    for number in range(5):
        assert rates.take(Actor("acme", f"user-{number}")) == 0.0
    buckets: Any = rates._buckets
    assert len(buckets._full_at) == 3
    assert rates.take(Actor("acme", "user-4")) > 0
