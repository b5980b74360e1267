"""Who a request acts for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from engines import engine_of
from served_app import Serve
from sqlalchemy import event

from voicegraph.graph.server.access.auth import requires_key
from voicegraph.graph.server.access.keyring import TRUSTED_FOR, Keyring
from voicegraph.graph.server.access.local_access import is_loopback
from voicegraph.graph.server.access.rates import Rates
from voicegraph.state import Actor
from voicegraph.state.errors import InvalidSetting, StorageError
from voicegraph.state.store import Store

ADA, EVE = Actor("acme", "ada"), Actor("other", "eve")


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def store(serve: Serve) -> AsyncIterator[Store]:
    async with serve() as served:
        yield served.resources.store


async def agents(client: Any, **headers: str) -> Any:
    return await client.get("/v1/agents", headers=headers)


async def test_without_any_key_this_machine_acts_for_the_default_user(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        await served.resources.store.agents.create(Actor(), "nina")
        assert [agent["name"] for agent in (await agents(client)).json()["data"]] == ["nina"]


async def test_without_any_key_a_key_that_a_client_must_send_is_ignored(serve: Serve) -> None:
    async with serve() as served, served.client("anything") as client:
        assert (await agents(client)).status_code == 200


@pytest.mark.parametrize("address", ["192.168.1.7", "::ffff:8.8.8.8", "2001:db8::1", "testclient"])
async def test_without_any_key_another_machine_is_refused(serve: Serve, address: str) -> None:
    async with serve(address=address) as served, served.client() as client:
        answer = await agents(client)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "missing_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "8.8.8.8"},
        {"forwarded": "for=8.8.8.8"},
        {"x-real-ip": "8.8.8.8"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://[::1"},
        {"origin": "http://machine"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "rebound.evil.example"},
        {"host": "machine"},
        {"host": "[::1"},
        {"host": ""},
    ],
    ids=str,
)
async def test_without_any_key_neither_a_proxy_nor_a_web_page_is_this_machine(
    serve: Serve, headers: dict[str, str]
) -> None:
    async with serve() as served, served.client() as client:
        assert (await agents(client, **headers)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-origin"},
        {"origin": "http://127.0.0.1:8000"},
        {"host": "[::1]:8000", "sec-fetch-site": "none"},
        {"host": "workbench:8000", "origin": "http://workbench"},
    ],
    ids=str,
)
async def test_without_any_key_pages_of_this_machine_are_served(
    serve: Serve, headers: dict[str, str]
) -> None:
    async with serve(local_names=("workbench",)) as served, served.client() as client:
        assert (await agents(client, **headers)).status_code == 200


@pytest.mark.parametrize(
    "sent", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/import", "/v1/agents"])
async def test_without_any_key_a_body_must_be_sent_as_json(serve: Serve, path: str, sent: str) -> None:
    async with serve() as served, served.client() as client:
        del client.headers["content-type"]
        headers = {"content-type": sent} if sent else {}
        answer = await client.post(path, content=b'{"name": "nina", "messages": []}', headers=headers)
        assert answer.status_code == 415
        assert (await agents(client)).json()["data"] == []


async def test_without_any_key_one_that_was_made_here_is_wrong_and_any_other_does_not_count(
    serve: Serve,
) -> None:
    async with serve() as served, served.client() as client:
        assert (await agents(client, authorization="Bearer vg-of-another-database")).status_code == 401
        assert (await agents(client, authorization="Bearer unused")).status_code == 200


async def test_once_there_is_a_key_this_machine_needs_one_too(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        await served.key(ADA)
        assert (await agents(client)).status_code == 401


async def test_the_bearer_of_a_key_acts_for_its_user(serve: Serve) -> None:
    async with serve(address="8.8.8.8") as served:
        await served.resources.store.agents.create(ADA, "nina")
        for actor, names in ((ADA, ["nina"]), (EVE, [])):
            async with served.client(await served.key(actor)) as client:
                assert [agent["name"] for agent in (await agents(client)).json()["data"]] == names


@pytest.mark.parametrize("sent", ["Bearer vg-wrong", "Bearer ", "Basic dmc6dmc=", "vg-wrong", "Bearer \xff"])
async def test_a_wrong_key_is_refused(serve: Serve, sent: str) -> None:
    async with serve() as served, served.client() as client:
        await served.key(ADA)
        answer = await client.get("/v1/agents", headers={b"authorization": sent.encode("latin-1")})
        assert answer.status_code == 401
        assert sent.split()[-1] not in answer.text or sent == "Bearer "


async def test_a_known_key_asks_the_database_for_nothing(store: Store) -> None:
    _, secret = await store.keys.create(ADA, "phone")
    keyring = Keyring(store.database, Time())
    assert await keyring.actor_of(secret) == ADA
    statements: list[str] = []
    engine = engine_of(store.database)
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert await keyring.actor_of(secret) == ADA
    assert await keyring.any_key()
    assert statements == []


async def test_a_key_that_another_process_revoked_opens_nothing_seconds_later(store: Store) -> None:
    key, secret = await store.keys.create(ADA, "phone")
    time = Time()
    keyring = Keyring(store.database, time)
    assert await keyring.actor_of(secret) == ADA
    await store.keys.revoke(ADA, key.id)
    time.seconds += TRUSTED_FOR + 0.1
    assert await keyring.actor_of(secret) is None


async def test_a_look_at_the_keys_makes_a_revocation_known_at_once(store: Store) -> None:
    key, secret = await store.keys.create(ADA, "phone")
    keyring = Keyring(store.database, Time())
    assert await keyring.actor_of(secret) == ADA
    await store.keys.revoke(ADA, key.id)
    await keyring.look()
    assert await keyring.actor_of(secret) is None


async def test_a_key_that_was_just_made_opens_at_once(store: Store) -> None:
    keyring = Keyring(store.database, Time())
    await store.keys.create(EVE, "desk")
    assert await keyring.any_key()
    _, secret = await store.keys.create(ADA, "phone")
    assert await keyring.actor_of(secret) == ADA


async def test_revoking_the_last_key_does_not_open_the_server(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        key, _ = await served.resources.store.keys.create(ADA, "phone")
        await served.resources.store.keys.revoke(ADA, key.id)
        await served.app.state.keyring.look()
        assert (await agents(client)).status_code == 401


async def test_while_the_database_is_away_nobody_is_let_in(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise StorageError("away")

    async with serve() as served, served.client(await served.key(ADA)) as client:
        time = Time()
        served.app.state.keyring = Keyring(served.resources.store.database, time)
        assert (await agents(client)).status_code == 200
        monkeypatch.setattr("voicegraph.graph.server.access.keyring.keys_stamp", away)
        time.seconds += TRUSTED_FOR + 0.1
        answer = await agents(client)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_too_many_requests_of_one_user_are_refused_and_others_are_not(serve: Serve) -> None:
    async with serve(requests_per_minute=2) as served:
        ada, eve = served.client(await served.key(ADA)), served.client(await served.key(EVE))
        assert [(await agents(ada)).status_code for _ in range(3)] == [200, 200, 429]
        refused = await agents(ada)
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        assert (await agents(eve)).status_code == 200


def test_a_user_who_is_refused_is_in_the_log_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    times = [0.0, 0.0, 0.0, 1.0, 2.0, 59.0, 59.1, 59.2, 61.0, 61.1]
    now = iter(times)
    rates = Rates(2, lambda: next(now))
    for _ in times:
        rates.take(ADA)
    lines = [(each.getMessage(), vars(each)["user"], vars(each)["error"]) for each in caplog.records]
    assert lines == [("requests of a user are refused", "ada", "rate_limit_exceeded")] * 2


async def test_the_server_listens_to_others_only_with_a_key(store: Store) -> None:
    assert await requires_key(store.database, "127.0.0.1") is False
    with pytest.raises(InvalidSetting, match="voicegraph keys create"):
        await requires_key(store.database, "0.0.0.0")
    key, _ = await store.keys.create(ADA, "phone")
    assert await requires_key(store.database, "0.0.0.0") is True
    await store.keys.revoke(ADA, key.id)
    with pytest.raises(InvalidSetting):
        await requires_key(store.database, "0.0.0.0")


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("example.com", False),
        ("10.0.0.1", False),
    ],
)
def test_which_addresses_only_this_machine_can_reach(host: str, near: bool) -> None:
    assert is_loopback(host) is near


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/agents"),
        ("PATCH", "/v1/agents/default"),
        ("POST", "/v1/blocks"),
        ("POST", "/v1/forget"),
        ("POST", "/v1/import"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/agents/default/search"),
        ("POST", "/v1/threads/call-1/interrupt"),
        ("POST", "/v1/agents/default/passages"),
    ],
)
async def test_no_body_is_read_of_one_without_a_key(serve: Serve, method: str, path: str) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(10):
            read += 1
            yield b" " * 1_000

    headers = {"content-type": "application/json"}
    async with serve() as served, served.client() as client:
        await served.key(ADA)
        assert (await client.request(method, path, content=body(), headers=headers)).status_code == 401
    assert read == 0


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
async def test_the_description_is_for_this_machine_or_for_a_key(serve: Serve, path: str) -> None:
    async with serve() as served, served.client() as near:
        key = await served.key(ADA)
        assert (await near.get(path)).status_code == 200
    async with serve(address="8.8.8.8") as served, served.client() as far, served.client(key) as with_key:
        assert (await far.get(path)).status_code == 401
        assert (await with_key.get(path)).status_code == 200
