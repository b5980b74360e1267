"""What most tests need: a database of their own, resources over it, and turns in one line."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from voicegraph.graph import Resources, Settings, open_resources
from voicegraph.state import open_store
from voicegraph.state.checkpoints import open_checkpointer

Open = Callable[..., AbstractAsyncContextManager[Resources]]


@pytest.fixture(autouse=True)
def no_outer_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    import os

    for name in list(os.environ):
        if name.startswith(("VOICEGRAPH_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables once: each test starts from a copy."""
    path = tmp_path_factory.mktemp("empty") / "voice.db"

    async def make() -> None:
        store = await open_store(f"sqlite:///{path}")
        await store.recall.index_due()
        await store.close()
        async with open_checkpointer(path):
            pass

    asyncio.run(make())
    return path


@pytest.fixture
def database_url(tmp_path: Path, empty_database: Path) -> str:
    """Return the URL of a SQLite file that only this test uses."""
    for file in empty_database.parent.glob("voice*.db"):
        shutil.copy(file, tmp_path)
    return f"sqlite:///{tmp_path}/voice.db"


@pytest.fixture
def open_voice(database_url: str) -> Open:
    """Return how to open resources over the test's database; settings are given by name."""

    @asynccontextmanager
    async def open_it(
        model: str | BaseChatModel, *, tools: Any = (), **settings: Any
    ) -> AsyncIterator[Resources]:
        settings.setdefault("filler_after", None)
        async with open_resources(
            database_url, model=model, tools=tools, settings=Settings(**settings)
        ) as resources:
            yield resources

    return open_it
