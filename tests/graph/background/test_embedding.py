"""Vectors are made behind the turns, and no turn waits for them."""

import asyncio

import pytest
from calling import CALL, user_says
from embedding_fake import FakeEmbeddings
from hold import Hold

from voicegraph.graph import Resources, Settings, build_graph, open_resources
from voicegraph.graph.background import embedding
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor


class Holding(FakeEmbeddings):
    """Answers once it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.hold, self.failures = 0, Hold(), 0

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        self.asked += 1
        await self.hold.wait()
        if self.failures >= self.asked:
            raise ConnectionError
        return self.embed_documents(texts)


async def found(resources: Resources, query: str) -> list[str]:
    agent = await resources.store.agents.get(Actor(), "default")
    page = await resources.store.recall.search(Actor(), agent.id, query)
    return [hit.message.text for hit in page.hits]


async def test_what_was_said_is_found_by_meaning_once_it_is_embedded(database_url: str) -> None:
    model = ScriptedChatModel(["How sweet."])
    async with open_resources(database_url, model=model, embedder=FakeEmbeddings()) as resources:
        await build_graph(resources).ainvoke(user_says("My kitten sleeps."), CALL)
        while "My kitten sleeps." not in await found(resources, "cat"):
            await asyncio.sleep(0)


async def test_a_turn_begins_and_ends_while_the_embedder_is_in_its_call(database_url: str) -> None:
    model, holding = ScriptedChatModel(["First.", "Second."]), Holding()
    async with open_resources(database_url, model=model, embedder=holding) as resources:
        graph = build_graph(resources)
        await graph.ainvoke(user_says("My kitten sleeps."), CALL)
        await holding.hold.reached.wait()
        result = await graph.ainvoke(user_says("Hello?"), CALL)
        assert result["messages"][-1].text == "Second."
        assert (holding.asked, holding.hold.is_set()) == (1, False)


async def test_an_embedder_that_fails_is_asked_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "FIRST_RETRY", 0.0)
    model, failing = ScriptedChatModel(["How sweet."]), Holding()
    failing.failures = 2
    failing.hold.set()
    settings = Settings(filler_after=None)
    async with open_resources(database_url, model=model, embedder=failing, settings=settings) as resources:
        await build_graph(resources).ainvoke(user_says("My kitten sleeps."), CALL)
        while "My kitten sleeps." not in await found(resources, "cat"):
            await asyncio.sleep(0)
    assert failing.asked >= 3
