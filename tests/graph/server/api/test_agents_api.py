"""Agents and blocks over HTTP."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from calling import user_says
from langchain_core.runnables import RunnableConfig
from served_app import Serve

from voicegraph.state import Actor


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(allowed_tools=("platform:node",)) as served, served.client() as opened:
        yield opened


@pytest.fixture
async def agent(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.post("/v1/agents", json={"name": "nina"})).json()


@pytest.fixture
async def block(client: httpx.AsyncClient, agent: dict[str, Any]) -> dict[str, Any]:
    return (await client.get(f"/v1/agents/{agent['id']}/blocks")).json()["data"][1]


async def test_an_agent_is_made_as_it_is_told_and_found_by_name_and_id(client: httpx.AsyncClient) -> None:
    wanted = {
        "name": "nina",
        "system": "Be kind.",
        "model": "openai:gpt-4.1-mini",
        "model_settings": {"temperature": 0.2},
        "tools": ["archive", "platform:node"],
        "time_zone": "Asia/Tokyo",
    }
    made = await client.post("/v1/agents", json=wanted)
    assert made.status_code == 201
    agent = made.json()
    assert agent["id"].startswith("agent-")
    assert {**agent, **wanted} == agent
    for ref in ("nina", agent["id"]):
        assert (await client.get(f"/v1/agents/{ref}")).json() == agent


async def test_an_agent_has_the_blocks_that_are_told_or_the_usual_ones(
    client: httpx.AsyncClient, agent: dict[str, Any]
) -> None:
    await client.post("/v1/agents", json={"name": "omar", "blocks": {"goals": "Sell."}})
    for name, labels in (("nina", ["persona", "human"]), ("omar", ["goals"])):
        blocks = (await client.get(f"/v1/agents/{name}/blocks")).json()["data"]
        assert [block["label"] for block in blocks] == labels


async def test_a_taken_name_is_a_conflict(client: httpx.AsyncClient, agent: dict[str, Any]) -> None:
    again = await client.post("/v1/agents", json={"name": "nina"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_exists")


async def test_a_change_leaves_what_is_not_told(client: httpx.AsyncClient, agent: dict[str, Any]) -> None:
    await client.patch("/v1/agents/nina", json={"system": "Be kind."})
    changed = (await client.patch("/v1/agents/nina", json={"time_zone": "Europe/Paris"})).json()
    assert (changed["system"], changed["time_zone"], changed["version"]) == ("Be kind.", "Europe/Paris", 3)


async def test_null_gives_an_agent_the_built_in_instructions_back(
    client: httpx.AsyncClient, agent: dict[str, Any]
) -> None:
    await client.patch("/v1/agents/nina", json={"system": "Be kind."})
    assert (await client.patch("/v1/agents/nina", json={"system": None})).json()["system"] is None


async def test_a_change_of_an_agent_that_somebody_else_changed_is_refused(
    client: httpx.AsyncClient, agent: dict[str, Any]
) -> None:
    change = {"system": "Be kind.", "expected_version": 1}
    assert (await client.patch("/v1/agents/nina", json=change)).status_code == 200
    late = await client.patch("/v1/agents/nina", json={**change, "system": "Be quick."})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "stale_version")
    assert (await client.get("/v1/agents/nina")).json()["system"] == "Be kind."


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("own_served_tools:recall_memory", "two tools are named 'recall_memory'"),
        ("own_served_tools:get_weather", "two tools are named 'get_weather'"),
        ("own_served_tools:nothing", "has no 'nothing'"),
        ("no_such_module:run", "cannot be imported"),
    ],
)
async def test_an_agent_is_not_given_a_tool_that_its_turns_could_not_use(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, reason: str
) -> None:
    def get_weather() -> str:
        """Tell the weather."""
        return "Sunny."

    code = 'def {0}() -> str:\n    "Do it."\n    return ""\n'
    (tmp_path / "own_served_tools.py").write_text(code.format("recall_memory") + code.format("get_weather"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_served_tools", raising=False)
    async with serve(tools=[get_weather], allowed_tools=(tool,)) as served, served.client() as client:
        made = await client.post("/v1/agents", json={"name": "nina", "tools": [tool]})
        await client.post("/v1/agents", json={"name": "omar"})
        changed = await client.patch("/v1/agents/omar", json={"tools": [tool]})
        kept = (await client.get("/v1/agents")).json()["data"]
    for answer in (made, changed):
        assert answer.status_code == 400
        assert reason in answer.json()["error"]["message"]
    assert [(agent["name"], agent["tools"]) for agent in kept] == [("omar", [])]


async def test_the_next_turn_uses_a_changed_agent(serve: Serve) -> None:
    from voicegraph.graph import build_graph
    from voicegraph.nodes.testing import ScriptedChatModel

    model = ScriptedChatModel(["Yes.", "Yes."])
    async with serve(model) as served, served.client() as client:
        graph = build_graph(served.resources)
        await client.post("/v1/agents", json={"name": "nina", "system": "Be kind."})
        call: RunnableConfig = {"configurable": {"thread_id": "call-1", "agent": "nina"}}
        await graph.ainvoke(user_says("Hello?"), call)
        await client.patch("/v1/agents/nina", json={"system": "Be quick."})
        await graph.ainvoke(user_says("Hello?"), call)
    first, second = (str(request.messages[0].content) for request in model.requests)
    assert "Be kind." in first
    assert "Be quick." in second
    assert "Be kind." not in second


async def test_a_deleted_agent_is_gone_with_its_threads(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        agent = (await client.post("/v1/agents", json={"name": "nina"})).json()
        await served.resources.known.claim(Actor(), "nina", "call-1")
        gone = (await client.delete("/v1/agents/nina")).json()
        assert gone == {"id": agent["id"], "object": "agent.deleted", "deleted": True}
        for path in ("/v1/agents/nina", "/v1/threads/call-1"):
            assert (await client.get(path)).status_code == 404
        assert served.resources.known.owner_ids("call-1") is None


async def test_a_written_block_can_be_undone_and_redone(
    client: httpx.AsyncClient, block: dict[str, Any]
) -> None:
    path = f"/v1/blocks/{block['id']}"
    written = (await client.patch(path, json={"value": "Called Ada.", "expected_version": 1})).json()
    assert (written["value"], written["version"]) == ("Called Ada.", 2)
    assert (await client.post(f"{path}/undo")).json()["value"] == block["value"]
    assert (await client.post(f"{path}/redo", json={"expected_version": 3})).json()["value"] == "Called Ada."
    assert (await client.post(f"{path}/redo")).status_code == 409
    history = (await client.get(f"{path}/history")).json()["data"]
    assert [(each["version"], each["changed_by"]) for each in history] == [
        (4, "redo"),
        (3, "undo"),
        (2, "user"),
        (1, "user"),
    ]


@pytest.mark.parametrize(
    ("method", "end", "body"),
    [
        ("PATCH", "", {"value": "x", "expected_version": 7}),
        ("PATCH", "", {"limit": 9000, "expected_version": 7}),
        ("POST", "/undo", {"expected_version": 7}),
        ("POST", "/redo", {"expected_version": 10**30}),
        ("DELETE", "?expected_version=7", None),
    ],
)
async def test_a_change_of_a_block_that_somebody_else_changed_is_refused(
    client: httpx.AsyncClient, block: dict[str, Any], method: str, end: str, body: Any
) -> None:
    late = await client.request(method, f"/v1/blocks/{block['id']}{end}", json=body)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "stale_version")
    assert (await client.get(f"/v1/blocks/{block['id']}")).json() == block


async def test_text_and_limit_of_a_block_change_together_or_not_at_all(
    client: httpx.AsyncClient, block: dict[str, Any]
) -> None:
    path = f"/v1/blocks/{block['id']}"
    refused = await client.patch(path, json={"value": "12345", "limit": 4})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "block_too_long")
    assert (await client.get(path)).json() == block
    changed = (await client.patch(path, json={"value": "12345", "limit": 5})).json()
    assert (changed["value"], changed["limit"]) == ("12345", 5)


async def test_a_block_is_held_by_several_agents_or_none(
    client: httpx.AsyncClient, agent: dict[str, Any]
) -> None:
    block = (await client.post("/v1/blocks", json={"label": "house", "value": "We sell."})).json()
    await client.post("/v1/agents", json={"name": "omar", "blocks": {}})
    for name in ("nina", "omar"):
        await client.put(f"/v1/agents/{name}/blocks/{block['id']}")
    assert (await client.get("/v1/agents/omar/blocks")).json()["data"] == [block]
    await client.delete(f"/v1/agents/omar/blocks/{block['id']}")
    assert (await client.get("/v1/agents/omar/blocks")).json()["data"] == []
    assert (await client.get(f"/v1/blocks/{block['id']}")).json() == block


async def test_a_deleted_block_is_gone(client: httpx.AsyncClient, block: dict[str, Any]) -> None:
    path = f"/v1/blocks/{block['id']}"
    assert (await client.delete(path)).json()["deleted"] is True
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("text", ["שלום עולם ‏עדה‏", "مرحبا", "👩‍👩‍👧", "a\u202eb", "\ufeff", "\x7f"])
async def test_any_words_come_back_as_they_were_sent(
    client: httpx.AsyncClient, block: dict[str, Any], text: str
) -> None:
    path = f"/v1/blocks/{block['id']}"
    assert (await client.patch(path, json={"value": text})).json()["value"] == text


async def test_model_settings_that_no_checkpoint_holds_are_refused(serve: Serve) -> None:
    async with serve() as served, served.client() as client:
        for sent in ({"seed": 2**64}, {"stop": [1, [2**70]]}):
            answer = await client.post("/v1/agents", json={"name": "nina", "model_settings": sent})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_setting")
        assert (
            await client.post("/v1/agents", json={"name": "nina", "model_settings": {"seed": 2**63}})
        ).is_success
