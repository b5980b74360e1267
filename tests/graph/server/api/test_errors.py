"""Every failure is OpenAI's error object, and neither an answer nor a log tells what is nobody's business."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from ada import ADA
from served_app import Serve

from voicegraph.graph.server.errors import ERROR_REPORTS, report_of
from voicegraph.state import VoicegraphError
from voicegraph.state import errors as all_errors
from voicegraph.state.errors import BlockTooLong, MissingExtra, ModelUnavailable, StorageError

SECRET = "xyzzy-secret-words"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def every_error(kind: type[VoicegraphError] = VoicegraphError) -> list[type[VoicegraphError]]:
    return [kind, *(below for each in kind.__subclasses__() for below in every_error(each))]


STATUSES = {
    "AlreadyExists": 409,
    "StaleVersion": 409,
    "ThreadBusy": 409,
    "ThreadTaken": 409,
    "NothingToUndo": 409,
    "NothingToResume": 409,
    "BlockTooLong": 400,
    "InvalidMessage": 400,
    "InvalidSetting": 400,
    "AgentNotFound": 404,
    "ThreadNotFound": 404,
    "BlockNotFound": 404,
    "NotFound": 404,
    "MissingExtra": 501,
    "StorageError": 503,
    "ModelUnavailable": 503,
    "ModelTimeout": 503,
    "ModelRefused": 502,
}


@pytest.mark.parametrize("name", STATUSES)
def test_an_error_of_ours_has_its_status(name: str) -> None:
    kind = getattr(all_errors, name)
    given = {BlockTooLong: ("human", 9, 5), MissingExtra: ("serve", "it")}.get(kind, (SECRET,))
    assert report_of(kind(*given))[0].status == STATUSES[name]


@pytest.mark.parametrize("kind", [StorageError, ModelUnavailable, VoicegraphError])
def test_a_failure_of_the_server_does_not_tell_its_own_words(kind: Any) -> None:
    assert SECRET not in report_of(kind(SECRET))[1]


def test_every_error_is_in_the_table_by_itself_or_by_what_it_is() -> None:
    assert [kind for kind in every_error() if not set(kind.__mro__) & set(ERROR_REPORTS)] == []


async def refusal(
    client: httpx.AsyncClient, method: str, path: str, **sent: Any
) -> tuple[int, str | None, str | None]:
    answer = await client.request(method, path, **sent)
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert SECRET not in answer.text
    return answer.status_code, error["code"], error["param"]


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(max_body_bytes=10_000) as served, served.client() as opened:
        yield opened


@pytest.mark.parametrize(
    ("sent", "refused"),
    [
        ({"content": b"{", "headers": JSON}, (400, "invalid_json", None)),
        ({"content": b"\xff", "headers": JSON}, (400, "invalid_request", None)),
        ({"content": b"[" * 5000, "headers": JSON}, (400, "invalid_request", None)),
        ({"content": b"1" * 5000, "headers": JSON}, (400, "invalid_request", None)),
        ({"content": b"name=nina", "headers": FORM}, (415, "unsupported_media_type", None)),
        ({"json": []}, (422, "invalid_value", None)),
        ({"json": {}}, (422, "invalid_value", "name")),
        ({"json": {"name": "nina", SECRET: 1}}, (422, "unknown_field", None)),
        ({"json": {"name": [SECRET]}}, (422, "invalid_value", "name")),
        ({"json": {"name": SECRET * 20}}, (422, "invalid_value", "name")),
        ({"json": {"name": f"{SECRET}\0"}}, (422, "invalid_value", "name")),
        ({"json": {"name": f"{SECRET}\ud800"}}, (422, "invalid_value", "name")),
        ({"json": {"name": f"{SECRET}\n"}}, (400, "invalid_input", None)),
        ({"json": {"name": "nina", "blocks": {SECRET: 1}}}, (422, "invalid_value", "blocks")),
        ({"json": {"name": "nina", "tools": [SECRET]}}, (400, "invalid_setting", None)),
        ({"json": {"name": "nina", "tools": ["os:system"]}}, (400, "invalid_setting", None)),
        ({"json": {"name": "nina", "model_settings": {"extra_headers": {}}}}, (400, "invalid_setting", None)),
        (
            {"content": b'{"name": "nina", "model_settings": {"stop": "\\ud800"}}', "headers": JSON},
            (400, "invalid_setting", None),
        ),
        (
            {"content": b'{"name": "nina", "model_settings": {"seed": NaN}}', "headers": JSON},
            (400, "invalid_setting", None),
        ),
        ({"json": {"name": "nina", "model": "gpt"}}, (400, "invalid_setting", None)),
        ({"json": {"name": "nina", "system": "a" * 10_000}}, (413, "body_too_large", None)),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
async def test_a_wrong_body_is_refused(client: httpx.AsyncClient, sent: dict[str, Any], refused: Any) -> None:
    if "json" in sent:
        sent = {"content": json.dumps(sent["json"]).encode(), "headers": JSON}
    assert await refusal(client, "POST", "/v1/agents", **sent) == refused


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 10**8:
            sent += 1000
            yield b"a" * 1000

    refused = await refusal(client, "POST", "/v1/agents", content=endless(), headers=JSON)
    assert refused == (413, "body_too_large", None)
    assert sent < 20_000


@pytest.mark.parametrize(
    ("method", "path", "refused"),
    [
        ("GET", "/v1/nothing", (404, "not_found", None)),
        ("PUT", "/v1/agents", (405, "method_not_allowed", None)),
        ("GET", f"/v1/agents/{SECRET}", (404, "agent_not_found", None)),
        ("GET", f"/v1/threads/{SECRET}", (404, "thread_not_found", None)),
        ("GET", "/v1/agents/%00", (422, "invalid_value", "agent")),
        ("GET", f"/v1/agents?limit={SECRET}", (422, "invalid_value", "limit")),
        ("GET", "/v1/agents?limit=0", (422, "invalid_value", "limit")),
        ("GET", "/v1/agents?limit=-1", (422, "invalid_value", "limit")),
        ("GET", "/v1/agents?limit=99999999999999999999", (422, "invalid_value", "limit")),
        ("GET", f"/v1/agents?after={SECRET}", (400, "invalid_input", None)),
        ("GET", "/v1/agents?after=%00", (422, "invalid_value", "after")),
        ("POST", f"/v1/threads/{SECRET}/resume", (404, "thread_not_found", None)),
    ],
    ids=lambda value: str(value),
)
async def test_a_wrong_address_is_refused(
    client: httpx.AsyncClient, method: str, path: str, refused: Any
) -> None:
    assert await refusal(client, method, path) == refused


async def test_a_405_tells_what_is_allowed(client: httpx.AsyncClient) -> None:
    assert (await client.put("/v1/chat/completions")).headers["allow"] == "POST"


class Broken(Exception):
    """Something that nobody expected."""


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (Broken(SECRET), (500, "server_error", None)),
        (StorageError(SECRET), (503, "storage", None)),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_failure_of_the_server_tells_nothing_of_itself(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, error: Exception, refused: Any
) -> None:
    async def fail(*_: Any) -> None:
        raise error

    async with serve() as served, served.client() as client:
        monkeypatch.setattr(type(served.resources.store.agents), "get", fail)
        assert await refusal(client, "GET", "/v1/agents/nina") == refused


def told_in(record: logging.LogRecord) -> str:
    return json.dumps({**vars(record), "message": record.getMessage()}, default=repr)


async def test_no_log_above_debug_tells_a_key_or_a_caller_s_words(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise Broken(SECRET)

    caplog.set_level(logging.INFO)
    async with serve() as served:
        key = await served.key(ADA)
        async with served.client(key) as client, served.client(f"vg-{SECRET}") as stranger:
            await stranger.get("/v1/agents")
            for body in ({"name": SECRET, "tools": [SECRET]}, {SECRET: SECRET}, {"name": [SECRET]}):
                assert (await client.post("/v1/agents", json=body)).status_code in (400, 422)
            assert (await client.get(f"/v1/agents/{SECRET}?after={SECRET}")).status_code == 404
            monkeypatch.setattr(type(served.resources.store.agents), "create", fail)
            monkeypatch.setattr(type(served.resources.store.recall), "search", fail)
            assert (await client.post("/v1/agents", json={"name": SECRET})).status_code == 500
    # httpx is the client here: it tells of the addresses that it asks for.
    records = [record for record in caplog.records if not record.name.startswith("httpx")]
    assert any(record.levelno == logging.ERROR for record in records)
    assert [record for record in records if SECRET in told_in(record) or key in told_in(record)] == []
