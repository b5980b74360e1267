"""No route shows or changes anything of another user, whatever organization the key belongs to."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from ada import ADA
from calling import user_says
from served_app import Serve
from sqlalchemy import text

from voicegraph.graph import build_graph
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.upkeep.erasure_subject import ErasureSubjects

STRANGERS = [Actor("acme", "bob"), Actor("other", "ada"), Actor("other", "eve")]
WORDS = "xyzzy"
"""Stands in everything that Ada keeps."""

NAMED = {"agent": "AGENT"}
REFUSED: dict[str, tuple[str, str, Any]] = {
    "create_agent_chat_completion": (
        "POST",
        "/v1/agents/AGENT/chat/completions",
        {"messages": [{"role": "user", "content": "Hi"}]},
    ),
    "create_agent_chat_completion_voice_beta": (
        "POST",
        "/v1/voice-beta/AGENT/chat/completions",
        {"messages": [{"role": "user", "content": "Hi"}]},
    ),
    "create_chat_completion": (
        "POST",
        "/v1/chat/completions",
        {"model": "AGENT", "messages": [{"role": "user", "content": "Hi"}]},
    ),
    "get_model": ("GET", "/v1/models/AGENT", None),
    "get_agent": ("GET", "/v1/agents/AGENT", None),
    "update_agent": ("PATCH", "/v1/agents/AGENT", {"system": "other"}),
    "delete_agent": ("DELETE", "/v1/agents/AGENT", None),
    "list_agent_blocks": ("GET", "/v1/agents/AGENT/blocks", None),
    "attach_block": ("PUT", "/v1/agents/AGENT/blocks/LOOSE", None),
    "detach_block": ("DELETE", "/v1/agents/AGENT/blocks/BLOCK", None),
    "create_block": ("POST", "/v1/blocks", {"label": "new", **NAMED}),
    "get_block": ("GET", "/v1/blocks/BLOCK", None),
    "update_block": ("PATCH", "/v1/blocks/BLOCK", {"value": "other"}),
    "delete_block": ("DELETE", "/v1/blocks/BLOCK", None),
    "list_block_versions": ("GET", "/v1/blocks/BLOCK/history", None),
    "undo_block": ("POST", "/v1/blocks/BLOCK/undo", None),
    "redo_block": ("POST", "/v1/blocks/BLOCK/redo", None),
    "list_threads": ("GET", "/v1/threads?agent=AGENT", None),
    "get_thread": ("GET", "/v1/threads/THREAD", None),
    "delete_thread": ("DELETE", "/v1/threads/THREAD", None),
    "list_messages": ("GET", "/v1/threads/THREAD/messages", None),
    "interrupt_thread": ("POST", "/v1/threads/THREAD/interrupt", {"heard": ""}),
    "resume_thread": ("POST", "/v1/threads/THREAD/resume", None),
    "list_checkpoints": ("GET", "/v1/threads/THREAD/checkpoints", None),
    "search_messages": ("POST", "/v1/agents/AGENT/search", {"query": WORDS}),
    "create_passages": ("POST", "/v1/agents/AGENT/passages", {"text": "other"}),
    "list_passages": ("GET", "/v1/agents/AGENT/passages", None),
    "search_passages": ("POST", "/v1/agents/AGENT/passages/search", {"query": WORDS}),
    "delete_passage": ("DELETE", "/v1/passages/PASSAGE", None),
    "forget_memory": ("POST", "/v1/forget", {"what": "agent", "name": "AGENT"}),
    "export_file": ("GET", "/v1/export?agent=AGENT", None),
}
"""Routes that name something of Ada's: for others it is not there."""

OWN: dict[str, tuple[str, str, Any]] = {
    "create_agent": ("POST", "/v1/agents", {"name": f"{WORDS} nina"}),
    "list_agents": ("GET", "/v1/agents", None),
    "list_blocks": ("GET", "/v1/blocks", None),
    "import_file": ("POST", "/v1/import", "EXPORTED"),
    "list_models": ("GET", "/v1/models", None),
    "health": ("GET", "/health", None),
    "ready": ("GET", "/ready", None),
    "metrics": ("GET", "/metrics", None),
}
"""Routes that make or list what is the stranger's own, or nobody's."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What Ada keeps, and ids of it."""

    served: Any
    model: ScriptedChatModel
    ids: dict[str, str]

    def filled(self, route: tuple[str, str, Any]) -> dict[str, Any]:
        method, path, body = route
        for name, id_ in self.ids.items():
            path = path.replace(name, id_)
        if isinstance(body, dict):
            body = {key: self.ids.get(str(value), value) for key, value in body.items()}
        return {"method": method, "url": path, "json": body}

    async def of_ada(self) -> dict[str, list[Any]]:
        """Return the rows of all tables in which something of Ada's stands."""
        kept: dict[str, list[Any]] = {}
        store = self.served.resources.store
        subject = await ErasureSubjects(store.database).of_user(ADA)
        counted = await ErasureSubjects(store.database).left(ADA, subject)
        for table in counted:
            query = text(f"SELECT * FROM {table}")
            rows = await store.database.read(lambda session, query=query: session.execute(query).all())
            kept[table] = [row for row in rows if set(map(str, row)) & {*subject.ids}]
        return kept


@pytest.fixture
async def world(serve: Serve) -> AsyncIterator[World]:
    model = ScriptedChatModel(lambda _: "Yes.")
    async with serve(model) as served:
        store = served.resources.store
        agent = await store.agents.create(
            ADA, "nina", system=WORDS, blocks={"human": WORDS, f"{WORDS} block": WORDS}
        )
        call = {"thread_id": "call-1", "organization": "acme", "user": "ada", "agent": "nina"}
        turn = user_says(f"I am {WORDS}.")
        await build_graph(served.resources).ainvoke(turn, {"configurable": call})
        block = (await store.blocks.of_agent(ADA, agent.id))[0]
        await store.blocks.write(ADA, block.id, f"{WORDS} twice")
        [passage] = await store.passages.insert(ADA, agent.id, WORDS)
        loose = await store.blocks.create(ADA, "loose", WORDS)
        await store.recall.index_due()
        ids = {
            "AGENT": agent.id,
            "BLOCK": block.id,
            "LOOSE": loose.id,
            "THREAD": "call-1",
            "PASSAGE": passage.id,
        }
        yield World(served=served, model=model, ids=ids)


def test_the_tables_of_this_test_name_every_route(world: World) -> None:
    documented = world.served.app.openapi()["paths"].values()
    routes = {operation["operationId"] for path in documented for operation in path.values()}
    assert routes == {*REFUSED, *OWN}


async def test_what_is_ada_s_is_not_there_for_anybody_else(world: World) -> None:
    before = await world.of_ada()
    answers: dict[tuple[str, Actor], tuple[int, str]] = {}
    for stranger in STRANGERS:
        async with world.served.client(await world.served.key(stranger)) as client:
            for name, route in REFUSED.items():
                answer = await client.request(**world.filled(route))
                answers[name, stranger] = (answer.status_code, answer.text)
    assert {key: answer for key, answer in answers.items() if answer[0] != 404 or WORDS in answer[1]} == {}
    assert await world.of_ada() == before


async def test_what_is_ada_s_is_there_for_ada(world: World) -> None:
    """Else the test before would pass for routes that are not there for anybody."""
    last = ["detach_block", "delete_block", "delete_thread", "delete_passage", "delete_agent"]
    refused: dict[str, int] = {}
    async with world.served.client(await world.served.key(ADA)) as client:
        for name in [name for name in REFUSED if name not in (*last, "forget_memory")] + last:
            answer = await client.request(**world.filled(REFUSED[name]))
            # There is nothing to redo and nothing to resume.
            if answer.status_code not in (200, 201, 409):
                refused[name] = answer.status_code
    assert refused == {}


async def test_lists_and_new_things_of_a_stranger_are_his_own(world: World) -> None:
    async with world.served.client(await world.served.key(ADA)) as client:
        exported = (await client.get("/v1/export")).json()
    before = await world.of_ada()
    for stranger in STRANGERS:
        async with world.served.client(await world.served.key(stranger)) as client:
            for name, route in OWN.items():
                sent = world.filled(route)
                if name == "import_file":
                    sent["json"] = exported
                answer = await client.request(**sent)
                assert answer.status_code in (200, 201), name
                assert [
                    id_ for id_ in world.ids.values() if id_.encode() in answer.content and id_ != "call-1"
                ] == []
    assert await world.of_ada() == before


async def test_a_stranger_who_names_the_thread_of_ada_gets_one_of_his_own(world: World) -> None:
    before = await world.of_ada()
    body = {"messages": [{"role": "user", "content": "What did I say?"}], "thread_id": "call-1"}
    async with world.served.client(await world.served.key(STRANGERS[2])) as client:
        answer = await client.post("/v1/chat/completions", json=body)
    assert answer.headers["x-thread-id"] == "call-1"
    assert WORDS not in str(world.model.requests[-1].messages)
    assert await world.of_ada() == before
