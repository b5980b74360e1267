"""The graph that `langgraph dev` and its like load: opened once for all their requests."""

import asyncio
from pathlib import Path

import pytest

from voicegraph.graph import Resources
from voicegraph.graph.langgraph_app import make_graph
from voicegraph.state.errors import StorageError


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VOICEGRAPH_DATABASE_URL", f"sqlite:///{tmp_path}/voice.db")
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    return tmp_path / "voice.db"


async def opened() -> Resources:
    async with make_graph() as graph:
        return graph.resources


def test_all_requests_of_a_process_share_what_is_open() -> None:
    async def two_at_once_and_one_later() -> list[Resources]:
        return [*await asyncio.gather(opened(), opened()), await opened()]

    first, *others = asyncio.run(two_at_once_and_one_later())
    assert all(resources is first for resources in others)


def test_it_is_closed_when_the_event_loop_ends(database: Path) -> None:
    asyncio.run(opened())
    assert [path.name for path in sorted(database.parent.iterdir()) if "-wal" in path.name] == []


def test_each_event_loop_has_its_own() -> None:
    assert asyncio.run(opened()) is not asyncio.run(opened())


def test_a_request_that_leaves_while_it_opens_takes_nothing_from_the_next() -> None:
    async def leave_and_come_again() -> None:
        leaving = asyncio.create_task(opened())
        await asyncio.sleep(0)
        leaving.cancel()
        await opened()

    asyncio.run(leave_and_come_again())


def test_what_could_not_be_opened_is_tried_again(database: Path) -> None:
    database.write_text("no database")

    async def fail_and_mend() -> None:
        with pytest.raises(StorageError):
            await opened()
        database.unlink()
        await opened()

    asyncio.run(fail_and_mend())
