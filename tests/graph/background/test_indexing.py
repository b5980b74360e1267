"""The search index in the background: one task, however many turns end."""

from typing import Any, cast

from calling import user_says
from hold import Hold
from open_voice import OpenVoice

from voicegraph.graph import build_graph
from voicegraph.graph.background.indexing import BackgroundIndexing
from voicegraph.nodes.context import Background
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor
from voicegraph.state.errors import StorageError


class FakeRecall:
    """Counts the passes over what is due; each waits until the test lets it go on."""

    def __init__(self, errors: int = 0) -> None:
        self.begun = self.running = self.most = 0
        self._errors = errors
        self.goes_on = Hold()

    async def index_due(self) -> None:
        self.begun += 1
        self.running += 1
        self.most = max(self.most, self.running)
        await self.goes_on.wait()
        self.running -= 1
        if self.begun <= self._errors:
            raise StorageError("away")


class FakeEmbedding:
    def wake(self) -> None:
        pass


def indexing_of(recall: FakeRecall) -> tuple[BackgroundIndexing, Background]:
    store: Any = type("Store", (), {"recall": recall})
    background = Background()
    return BackgroundIndexing(store, cast(Any, FakeEmbedding()), background), background


async def test_what_comes_while_it_indexes_takes_one_pass_more() -> None:
    recall = FakeRecall()
    indexing, background = indexing_of(recall)
    indexing.wake()
    await recall.goes_on.reached.wait()
    for _ in range(100):
        indexing.wake()
    recall.goes_on.set()
    await background.drain(5)
    assert (recall.begun, recall.most) == (2, 1)


async def test_it_is_woken_again_after_its_end_and_after_a_failure() -> None:
    recall = FakeRecall(errors=1)
    indexing, background = indexing_of(recall)
    recall.goes_on.set()
    for _ in range(3):
        indexing.wake()
        await background.drain(5)
    assert recall.begun == 3


async def test_what_was_said_in_a_turn_is_found_after_it(open_voice: OpenVoice) -> None:
    async with open_voice(ScriptedChatModel(["Nice dog."])) as resources:
        await build_graph(resources).ainvoke(
            user_says("My dog is called Rex."), {"configurable": {"thread_id": "call-1"}}
        )
        await resources.background.drain(20)
        agent = await resources.store.agents.get(Actor(), "default")
        page = await resources.store.recall.search(Actor(), agent.id, "dog")
    assert {hit.message.text for hit in page.hits} == {"My dog is called Rex.", "Nice dog."}
