"""Lists come in pages that follow each other, whatever happens in between."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from served_app import Serve, Served

from voicegraph.state import Actor
from voicegraph.state.conversations.message_rows import MessageRecord

ME = Actor()


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[Served]:
    """Serve lists of five entries each."""
    async with serve() as opened:
        store = opened.resources.store
        agents = [await store.agents.create(ME, f"agent {number}", blocks={}) for number in range(5)]
        nina = agents[0]
        block = await store.blocks.create(ME, "0", "0", agent_id=nina.id)
        for number in range(1, 5):
            await store.blocks.create(ME, str(number), "text")
            await store.blocks.write(ME, block.id, str(number))
            await store.threads.claim(ME, nina.id, f"call-{number}")
            await store.passages.insert(ME, nina.id, f"Passage {number}.")
        await store.threads.claim(ME, nina.id, "call-0")
        await store.passages.insert(ME, nina.id, "Passage 0.")
        records = [MessageRecord(id=f"m{n}", turn_id="t", role="user", text="hello") for n in range(5)]
        await store.messages.save(ME, nina.id, "call-1", records)
        await store.recall.index_due()
        opened.app.state.block = block.id
        yield opened


LISTS = {
    "agents": "/v1/agents",
    "blocks": "/v1/blocks",
    "versions": "/v1/blocks/BLOCK/history",
    "threads": "/v1/threads",
    "messages": "/v1/threads/call-1/messages",
    "passages": "/v1/agents/agent 0/passages",
}


async def pages(client: Any, path: str, limit: int) -> list[list[str]]:
    """Return the ids of each page, followed by `last_id` to the end."""
    found: list[list[str]] = []
    after: dict[str, str] = {}
    while True:
        page = (await client.get(path, params={"limit": limit, **after})).json()
        ids = [entry["id"] for entry in page["data"]]
        assert (page["object"], page["first_id"], page["last_id"]) == ("list", ids[0], ids[-1])
        found.append(ids)
        if not page["has_more"]:
            return found
        after = {"after": page["last_id"]}


@pytest.mark.parametrize("name", LISTS)
async def test_the_pages_of_a_list_hold_each_entry_once_in_one_order(served: Served, name: str) -> None:
    path = LISTS[name].replace("BLOCK", served.app.state.block)
    async with served.client() as client:
        [whole] = await pages(client, path, 100)
        assert len(set(whole)) == 5
        for limit in (1, 2, 5):
            parts = await pages(client, path, limit)
            assert [len(part) for part in parts] == {1: [1] * 5, 2: [2, 2, 1], 5: [5]}[limit]
            assert [id_ for part in parts for id_ in part] == whole


@pytest.mark.parametrize("name", [*LISTS, "checkpoints"])
async def test_an_id_that_is_not_in_the_list_is_no_place_to_go_on(served: Served, name: str) -> None:
    path = LISTS.get(name, "/v1/threads/call-1/checkpoints").replace("BLOCK", served.app.state.block)
    async with served.client() as client:
        for wrong in ("x", "99999999999999999999", "-1", "1.5", "' OR 1=1 --"):
            assert (await client.get(path, params={"after": wrong})).status_code == 400


async def test_entries_that_come_in_between_do_not_shift_the_pages(served: Served) -> None:
    async with served.client() as client:
        first = (await client.get("/v1/threads?limit=2")).json()
        nina = await served.resources.store.agents.get(ME, "agent 0")
        await served.resources.store.threads.claim(ME, nina.id, "call-new")
        record = MessageRecord(id="m9", turn_id="t", role="user", text="hello")
        await served.resources.store.messages.save(ME, nina.id, "call-2", [record])
        rest = (await client.get(f"/v1/threads?after={first['last_id']}")).json()
    ids = [entry["id"] for entry in first["data"] + rest["data"]]
    assert sorted(ids) == [f"call-{number}" for number in range(5)]


async def test_the_id_of_somebody_else_s_entry_is_no_place_to_go_on(served: Served) -> None:
    other = await served.resources.store.agents.create(Actor("other", "eve"), "eve")
    async with served.client() as client:
        assert (await client.get(f"/v1/agents?after={other.id}")).status_code == 400


async def test_the_pages_of_a_search_follow_each_other(served: Served) -> None:
    seen: list[str] = []
    wish: dict[str, Any] = {"query": "hello", "limit": 2}
    async with served.client() as client:
        while True:
            page = (await client.post("/v1/agents/agent 0/search", json=wish)).json()
            seen += [hit["id"] for hit in page["data"]]
            if not page["has_more"]:
                break
            wish["after"] = page["next"]
    assert page["next"] is None
    assert sorted(seen) == [f"m{number}" for number in range(5)]
