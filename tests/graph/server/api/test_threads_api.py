"""Threads, what was said on them, and searching it, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from calling import user_says
from langchain_core.runnables import RunnableConfig
from served_app import Serve, Served

from voicegraph.graph import build_graph, stream_turn
from voicegraph.graph.clients.incoming import incoming_messages
from voicegraph.graph.server.access.keyring import Keyring
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state import Actor
from voicegraph.state.schema import new_turn


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[Served]:
    """Serve with one turn on the thread `room/1` of the default agent."""
    model = ScriptedChatModel(["The train to Turin leaves at nine.", "Bye."])
    async with serve(model) as opened:
        graph = build_graph(opened.resources)
        call: RunnableConfig = {"configurable": {"thread_id": "room/1"}}
        await graph.ainvoke(user_says("When does the train leave?"), call)
        await opened.resources.store.recall.index_due()
        yield opened


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with served.client() as opened:
        yield opened


async def test_a_thread_is_read_by_its_id_also_with_a_slash_in_it(client: httpx.AsyncClient) -> None:
    for path in ("/v1/threads/room/1", "/v1/threads/room%2F1"):
        thread = (await client.get(path)).json()
        assert (thread["id"], thread["agent_name"], thread["messages"]) == ("room/1", "default", 2)


async def test_threads_are_listed_of_all_agents_or_of_one(client: httpx.AsyncClient) -> None:
    await client.post("/v1/agents", json={"name": "nina"})
    for query, ids in (("", ["room/1"]), ("?agent=default", ["room/1"]), ("?agent=nina", [])):
        assert [each["id"] for each in (await client.get(f"/v1/threads{query}")).json()["data"]] == ids


async def test_what_was_said_is_listed_newest_first(client: httpx.AsyncClient) -> None:
    said = (await client.get("/v1/threads/room/1/messages")).json()["data"]
    assert [(each["role"], each["text"]) for each in said] == [
        ("assistant", "The train to Turin leaves at nine."),
        ("user", "When does the train leave?"),
    ]


async def test_what_was_heard_of_a_reply_is_shown_where_its_text_is_another(serve: Serve) -> None:
    model = ScriptedChatModel([calls("current_time", "Let me see."), "It is noon."])
    async with serve(model) as served, served.client() as client:
        body = {"messages": [{"role": "user", "content": "What time is it?"}], "thread_id": "call-1"}
        await client.post("/v1/chat/completions", json=body)
        record = await served.record("call-1")
    assert [(each["text"], each["spoken"]) for each in record if each["role"] == "assistant"] == [
        ("", "Let me see."),
        ("It is noon.", None),
    ]


async def test_an_interrupt_behind_the_turn_cuts_the_reply_to_what_was_heard(
    client: httpx.AsyncClient,
) -> None:
    cut = await client.post("/v1/threads/room/1/interrupt", json={"heard": "the train to Turin"})
    assert cut.json()["was_running"] is False
    reply = (await client.get("/v1/threads/room/1/messages?limit=1")).json()["data"][0]
    assert (reply["text"], reply["unheard"]) == ("The train to Turin", "leaves at nine.")


async def test_an_interrupt_ends_a_running_turn(serve: Serve) -> None:
    model = ScriptedChatModel([ScriptedReply(text="One two three", hold=asyncio.Event(), hold_after=2)])
    async with serve(model) as served, served.client() as client:
        graph = build_graph(served.resources)
        stream = stream_turn(graph, "Count.", {"configurable": {"thread_id": "call-1"}})
        words = ""
        while words != "One two":
            words += getattr(await anext(stream), "content", "")
        assert (await client.post("/v1/threads/call-1/interrupt")).json()["was_running"] is True
        await stream.aclose()
        reply = (await client.get("/v1/threads/call-1/messages?limit=1")).json()["data"][0]
    assert reply["text"] == "One two"


async def test_a_deleted_thread_is_gone_with_its_turn_and_its_checkpoints(serve: Serve) -> None:
    model = ScriptedChatModel([ScriptedReply(text="One two", hold=asyncio.Event(), hold_after=1), "Hello."])
    async with serve(model) as served, served.client() as client:
        graph = build_graph(served.resources)
        call: Any = {"configurable": {"thread_id": "call-1"}}
        stream = stream_turn(graph, "My name is Ada.", call)
        await anext(stream)
        assert (await client.delete("/v1/threads/call-1")).json()["object"] == "thread.deleted"
        await stream.aclose()
        assert (await client.get("/v1/threads/call-1")).status_code == 404
        await graph.ainvoke(user_says("Who am I?"), call)
    assert "Ada" not in str(model.requests[-1].messages)


async def test_checkpoints_are_listed_newest_first_and_the_last_has_nothing_next(
    client: httpx.AsyncClient,
) -> None:
    listed = (await client.get("/v1/threads/room/1/checkpoints?limit=2")).json()
    first, second = listed["data"]
    assert listed["has_more"]
    assert (first["next"], second["next"]) == ([], ["persist_and_trim"])
    assert first["step"] == second["step"] + 1
    rest = (await client.get(f"/v1/threads/room/1/checkpoints?after={second['id']}")).json()
    assert not {first["id"], second["id"]} & {each["id"] for each in rest["data"]}
    assert not rest["has_more"]


async def begun_and_cut(graph: Any, call: Any, words: str) -> None:
    """Leave the thread as a process does that is killed right after the turn began."""
    now = graph.resources.clock.now()
    messages = incoming_messages(user_says(words), graph.resources.settings, now)
    await graph.resources.known.claim(Actor(), "default", "call-1")
    turn = {"messages": messages, "turn": new_turn("turn-1", now)}
    await graph.aupdate_state(call, turn, as_node="__start__")


async def test_a_turn_that_a_crash_cut_is_resumed_to_its_end(serve: Serve) -> None:
    async with serve(ScriptedChatModel(["I am here."])) as served, served.client() as client:
        call: Any = {"configurable": {"thread_id": "call-1"}}
        await begun_and_cut(build_graph(served.resources), call, "Are you there?")
        resumed = (await client.post("/v1/threads/call-1/resume")).json()
        assert (resumed["status"], resumed["finish_reason"], resumed["text"]) == (
            "finished",
            "stop",
            "I am here.",
        )
        assert resumed["usage"]["input_tokens"] == 10
        again = await client.post("/v1/threads/call-1/resume")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "nothing_to_resume")
        assert 'voicegraph_turn_seconds_count{outcome="stop"} 1.0' in (await client.get("/metrics")).text


async def test_no_turn_is_resumed_when_the_process_is_about_to_end(
    served: Served, client: httpx.AsyncClient
) -> None:
    served.app.state.draining = True
    assert (await client.post("/v1/threads/room/1/resume")).status_code == 503


async def test_what_was_said_is_found_with_what_stands_around_it(client: httpx.AsyncClient) -> None:
    found = (await client.post("/v1/agents/default/search", json={"query": "trains to Turin"})).json()
    hit = found["data"][0]
    assert (hit["role"], hit["thread_id"]) == ("assistant", "room/1")
    assert [words["text"] for words in hit["before"]] == ["When does the train leave?"]
    assert hit["score"] > 0


@pytest.mark.parametrize(
    ("wish", "roles"),
    [
        ({"role": "user"}, ["user"]),
        ({"thread_id": "other"}, []),
        ({"end": "2020-01-01T00:00:00Z"}, []),
        ({"start": "2020-01-01T00:00:00+02:00"}, ["assistant", "user"]),
        ({"order": "newest"}, ["assistant", "user"]),
        ({"query": ""}, ["assistant", "user"]),
        ({"query": '" OR * NEAR( -'}, []),
    ],
    ids=str,
)
async def test_a_search_heeds_side_thread_time_and_order(
    client: httpx.AsyncClient, wish: Any, roles: list[str]
) -> None:
    found = await client.post("/v1/agents/default/search", json={"query": "train", **wish})
    assert sorted(hit["role"] for hit in found.json()["data"]) == roles


@pytest.mark.parametrize(
    "wish",
    [
        {"order": "worst"},
        {"role": "tool"},
        {"limit": 0},
        {"limit": 101},
        {"after": "-1"},
        {"after": "x"},
        {"after": "1" * 50},
        {"after": "²"},
        {"start": "2020-01-01T00:00:00"},
        {"start": "0001-01-01T00:00:00+14:00"},
        {"end": "9999-12-31T23:59:59-14:00"},
        {"query": "a\0b"},
        {"query": ["a"]},
    ],
    ids=str,
)
async def test_a_search_that_cannot_be_made_is_refused(client: httpx.AsyncClient, wish: Any) -> None:
    assert (await client.post("/v1/agents/default/search", json=wish)).status_code in (400, 422)


async def test_the_archive_takes_gives_finds_and_loses_passages(
    served: Served, client: httpx.AsyncClient
) -> None:
    path = "/v1/agents/default/passages"
    [kept] = (await client.post(path, json={"text": "Ada eats no nuts.", "tags": ["health"]})).json()["data"]
    await client.post(path, json={"text": "Ada likes nuts in pictures."})
    await served.resources.store.recall.index_due()
    found = await client.post(f"{path}/search", json={"query": "nuts", "tags": ["health"]})
    assert [hit["id"] for hit in found.json()["data"]] == [kept["id"]]
    assert (await client.delete(f"/v1/passages/{kept['id']}")).json()["deleted"] is True
    assert [each["text"] for each in (await client.get(path)).json()["data"]] == [
        "Ada likes nuts in pictures."
    ]


async def test_a_forgotten_agent_leaves_nothing_and_the_answer_proves_it(
    served: Served, client: httpx.AsyncClient
) -> None:
    proof = (await client.post("/v1/forget", json={"what": "agent", "name": "default"})).json()
    assert proof["complete"]
    assert proof["before"]["messages"] == 2
    assert not any(proof["left"].values())
    assert (await client.get("/v1/threads/room/1")).status_code == 404


async def test_a_forgotten_user_takes_his_keys_along(served: Served) -> None:
    ada = Actor("acme", "ada")
    key, other = await served.key(ada), await served.key(Actor("other", "eve"))
    async with served.client(key) as client, served.client(other) as stranger:
        assert (await client.post("/v1/forget", json={"what": "user"})).json()["complete"]
        assert (await client.get("/v1/agents")).status_code == 401
        assert (await stranger.get("/v1/agents")).status_code == 200


async def test_the_last_user_with_a_key_does_not_open_the_server_by_leaving(served: Served) -> None:
    async with served.client(await served.key(Actor("acme", "ada"))) as ada, served.client() as anybody:
        assert (await ada.post("/v1/forget", json={"what": "user"})).json()["complete"]
        for _ in range(2):
            assert (await ada.get("/v1/agents")).status_code == 401
            assert (await anybody.get("/v1/agents")).status_code == 401
            served.app.state.keyring = Keyring(served.resources.store.database)  # As after a restart.
        again = await served.key(Actor("acme", "ada"))
        async with served.client(again) as returned:
            assert (await returned.post("/v1/forget", json={"what": "user"})).json()["complete"]
        assert (await anybody.get("/v1/agents")).status_code == 401


async def test_an_export_can_be_imported_by_another_user(served: Served, client: httpx.AsyncClient) -> None:
    exported = (await client.get("/v1/export?agent=default")).content
    async with served.client(await served.key(Actor("other", "eve"))) as eve:
        done = (await eve.post("/v1/import", content=exported)).json()
        assert done["added"]["messages"] == 2
        [thread] = (await eve.get("/v1/threads")).json()["data"]
        assert (thread["id"], done["renamed"]) == ("room/1", {})


async def test_an_import_with_a_tool_that_is_not_allowed_is_refused(client: httpx.AsyncClient) -> None:
    file = (await client.get("/v1/export")).json()
    file["agents"][0]["tools"] = ["os:system"]
    refused = await client.post("/v1/import", json=file)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_setting")


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("agents", {"system": "a" * 100_001}),
        ("agents", {"system": "a\0b"}),
        ("agents", {"model_settings": {"seed": 2**64}}),
        ("agents", {"tools": ["archive"] * 101}),
        ("blocks", {"limit": 1_000_001}),
    ],
    ids=["long instructions", "a NUL character", "a large integer", "many tools", "a large limit"],
)
async def test_an_import_is_refused_that_holds_what_the_api_refuses(
    client: httpx.AsyncClient, part: str, changes: dict[str, Any]
) -> None:
    file = (await client.get("/v1/export")).json()
    file[part][0].update(changes)
    assert (await client.post("/v1/import", json=file)).status_code == 400


async def test_what_is_no_memory_file_is_refused(client: httpx.AsyncClient) -> None:
    for content in (b"", b"{", b"[]", b'{"format": "x", "version": 1}', b"\xff"):
        assert (await client.post("/v1/import", content=content)).status_code == 400
