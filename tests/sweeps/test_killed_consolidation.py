"""A process may die right before or after any commit of a consolidation: each fact is kept, and once."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from calling import CALL, user_says

from voicegraph.graph import Settings, build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state import Actor

from .killed import Killed
from .killed_consolidation import KEEP

SMALL: dict[str, Any] = {"message_buffer_limit": 6, "message_buffer_min": 2, "consolidate_after": 3600}
ALL = [(when, number) for number in range(1, 16) for when in ("before", "after")]
"""More than there are commits in a consolidation."""
SOME = [("before", 1), ("before", 2), ("after", 2), ("after", 3)]


@pytest.fixture(scope="module")
def killed() -> Iterator[Killed]:
    process = Killed("sweeps.killed_consolidation")
    yield process
    process.close()


@pytest.mark.parametrize(
    ("when", "number"), [*SOME, *(pytest.param(*death, marks=pytest.mark.soak) for death in ALL)]
)
def test_a_consolidation_may_die_at_any_of_its_commits(
    when: str, number: int, killed: Killed, each_url: str
) -> None:
    asyncio.run(talk(each_url))
    lines = killed.run_line(f"{each_url} {when} {number}")
    assert lines.count("commits") >= min(number, 2)
    asyncio.run(check(each_url))


async def talk(url: str) -> None:
    """Leave messages that are due."""
    async with open_resources(
        url, model=ScriptedChatModel(lambda _: "I see."), settings=Settings(**SMALL)
    ) as resources:
        graph = build_graph(resources)
        for turn in range(5):
            await graph.ainvoke(user_says(f"Turn {turn}."), CALL)


async def check(url: str) -> None:
    """Consolidate again, and see that each fact is there once."""
    settings = Settings(memory_model="memory", **SMALL)
    async with open_resources(url, model=ScriptedChatModel([]), settings=settings) as resources:
        store, actor = resources.store, Actor()
        agent = await store.agents.get(actor, "default")
        resources.models.add("memory", ScriptedChatModel([KEEP]))
        await resources.consolidator.consolidate(actor, agent.id)
        assert [passage.text for passage in await store.passages.list(actor, agent.id)] == ["Ada has a cat."]
        assert (await store.blocks.by_label(actor, agent.id, "human")).value == "Ada, who has a cat."
        assert await store.due.of_agent(actor, agent.id) == ()
