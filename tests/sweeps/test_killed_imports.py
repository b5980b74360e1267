"""A process may die right before or after any commit of an import: importing again completes it."""

import asyncio
from collections.abc import Iterator

import pytest

from voicegraph.state import open_store
from voicegraph.state.upkeep.export_memory import export_memory
from voicegraph.state.upkeep.importing.import_memory import import_memory

from .killed import Killed
from .killed_import import ADA, FILE

ALL = [(when, number) for number in range(1, 36) for when in ("before", "after")]
"""More than there are commits in an import."""
SOME = [("after", 3), ("before", 10), ("after", 17)]


@pytest.fixture(scope="module")
def killed() -> Iterator[Killed]:
    process = Killed("sweeps.killed_import")
    yield process
    process.close()


@pytest.mark.parametrize(
    ("when", "number"), [*SOME, *(pytest.param(*death, marks=pytest.mark.soak) for death in ALL)]
)
def test_an_import_may_die_at_any_of_its_commits(
    when: str, number: int, killed: Killed, each_url: str
) -> None:
    lines = killed.run_line(f"{each_url} {when} {number}")
    assert ("ended" in lines) == (lines.count("commits") < number)
    asyncio.run(check(each_url))


async def check(url: str) -> None:
    """See that nothing can be seen that is not whole; import again, and see that all is there."""
    store = await open_store(url)
    seen = await export_memory(store, ADA)
    assert [agent for agent in seen.agents if agent not in FILE.agents] == []
    assert [block for block in seen.blocks if block not in FILE.blocks] == []
    await import_memory(store, ADA, FILE)
    after = await export_memory(store, ADA)
    assert (after.agents, after.blocks) == (FILE.agents, FILE.blocks)
    assert len(await store.threads.list(ADA, limit=1_000)) == sum(len(agent.threads) for agent in FILE.agents)
    await store.close()
