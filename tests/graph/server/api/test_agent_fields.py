"""Each column of an agent that users set is carried wherever an agent goes."""

from typing import Any

import pytest
from ada import ADA
from open_voice import OpenVoice
from served_app import Serve

from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.agents.agent_rows import SETTINGS, settings_of
from voicegraph.state.store import Store
from voicegraph.state.tables.columns import utc_now
from voicegraph.state.tables.tables import AgentRow
from voicegraph.state.upkeep.export_memory import export_memory
from voicegraph.state.upkeep.importing.import_memory import import_memory

VALUES: dict[str, Any] = {
    "system": "Be kind.",
    "model": "openai:gpt-4.1-mini",
    "model_settings": {"temperature": 0.2},
    "tools": ["archive"],
    "time_zone": "Asia/Tokyo",
}
IDENTITY = {"number", "id", "organization_id", "user_id", "name", "version", "created_at", "updated_at"}
EVE = Actor("acme", "eve")

each = pytest.mark.parametrize("column", SETTINGS)


@pytest.fixture
def voice_url(each_url: str) -> str:
    return each_url


def test_each_column_of_the_table_identifies_an_agent_or_is_set_by_users() -> None:
    columns = set(AgentRow.__table__.columns.keys())
    assert columns == IDENTITY | set(SETTINGS)
    assert set(VALUES) == set(SETTINGS)


async def created(store: Store) -> dict[str, Any]:
    return settings_of(await store.agents.create(ADA, "nina", **VALUES))


async def updated(store: Store) -> dict[str, Any]:
    await store.agents.create(ADA, "nina")
    return settings_of(await store.agents.update(ADA, "nina", {**VALUES}))  # pyright: ignore[reportArgumentType]


async def read_for_a_turn(store: Store) -> dict[str, Any]:
    await created(store)
    return settings_of((await store.agents.memory(ADA, "nina")).agent)


async def forked(store: Store) -> dict[str, Any]:
    agent = await store.agents.create(ADA, "nina", **VALUES)
    await store.threads.claim(ADA, agent.id, "call-1")
    name = await store.forks.make(ADA, "call-1", "call-2", [], memory_as_of=utc_now())
    assert name != "nina"
    return settings_of(await store.agents.get(ADA, name))


async def exported(store: Store) -> dict[str, Any]:
    await created(store)
    [agent] = (await export_memory(store, ADA)).agents
    return settings_of(agent)


async def imported(store: Store) -> dict[str, Any]:
    await created(store)
    await import_memory(store, EVE, await export_memory(store, ADA))
    return settings_of(await store.agents.get(EVE, "nina"))


WAYS = (created, updated, read_for_a_turn, forked, exported, imported)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_an_agent_keeps_each_column(open_voice: OpenVoice, way: Any) -> None:
    async with open_voice(ScriptedChatModel([])) as resources:
        assert await way(resources.store) == VALUES


@each
async def test_each_column_is_set_changed_and_shown_over_http(serve: Serve, column: str) -> None:
    async with serve() as served, served.client() as client:
        made = await client.post("/v1/agents", json={"name": "nina", column: VALUES[column]})
        assert made.json()[column] == VALUES[column]
        plain = (await client.post("/v1/agents", json={"name": "omar"})).json()
        assert plain[column] != VALUES[column]
        changed = await client.patch("/v1/agents/omar", json={column: VALUES[column]})
        assert changed.json() == {
            **plain,
            column: VALUES[column],
            "version": 2,
            "updated_at": changed.json()["updated_at"],
        }
