"""What most tests need: a database of their own, resources over it, and turns in one line."""

import asyncio
import gc
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from compiled_statements import share_compiled_statements
from langchain_core.language_models import BaseChatModel
from open_voice import OpenVoice

from voicegraph.graph import Resources, Settings, open_resources
from voicegraph.state import open_store
from voicegraph.state.open import open_checkpointer

if TYPE_CHECKING:
    from loop_watch import LoopWatch
    from postgres_databases import PostgresDatabases
    from postgres_outage import Outage
    from postgres_server import PostgresServer

_NO_POSTGRES = "without PostgreSQL"
_SOAK_LIMIT = 3600  # Seconds.

_SETTINGS = (
    *("VOICEGRAPH_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_", "PG"),
    *("SSL_CERT_", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR"),
)

with suppress(ModuleNotFoundError):  # Voice clients are tried where it is not.
    from hypothesis import HealthCheck, settings

    # A busy machine is slow; and what a run found at random, the next one would not.
    slow = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("suite", slow, derandomize=True, max_examples=50)
    settings.register_profile("random", slow, max_examples=250)
    settings.load_profile("suite")

share_compiled_statements()


@pytest.hookimpl(optionalhook=True)  # Voice clients are tried where xdist is not.
def pytest_xdist_auto_num_workers() -> int:
    """Return one process more than there are processors: a quarter of the time tests wait for something."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what the test files import out of garbage collections: it makes each half a second longer."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)  # As the command line does.
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of few tests: these take the longest, and would keep one process at the end.

    Long tests get a longer time limit.
    """
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (tests[item.path], item.path))
    for item in items:
        if item.get_closest_marker("soak") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_SOAK_LIMIT))


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Count the tests that had no PostgreSQL: as skipped ones each would have a line in the summary."""
    if report.skipped and isinstance(report.longrepr, tuple) and report.longrepr[2].endswith(_NO_POSTGRES):
        return _NO_POSTGRES, "p", _NO_POSTGRES.upper()
    return None


@pytest.fixture(autouse=True, scope="session")
def no_outer_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the environment of whoever runs the tests out of them, and out of the processes they start."""
    for name in list(os.environ):
        outer = name.startswith(_SETTINGS) or name.lower().endswith("_proxy")
        if outer and name != "VOICEGRAPH_TEST_POSTGRES":
            del os.environ[name]
    # No test needs a certificate, and to read those of the machine takes each client 20 ms.
    os.environ["SSL_CERT_DIR"] = str(tmp_path_factory.mktemp("no-certificates"))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the tables once: each test starts from a copy."""
    path = tmp_path_factory.mktemp("empty") / "voice.db"

    async def make() -> None:
        store = await open_store(f"sqlite:///{path}")
        await store.recall.index_due()
        async with open_checkpointer(store.database.location):
            pass
        await store.close()

    asyncio.run(make())
    return path


@pytest.fixture
def database_url(tmp_path: Path, empty_database: Path) -> str:
    """Return the URL of a SQLite file that only this test uses."""
    for file in empty_database.parent.glob("voice*.db"):
        shutil.copy(file, tmp_path)
    return f"sqlite:///{tmp_path}/voice.db"


@pytest.fixture(scope="session")
def postgres_of_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Callable[[], PostgresDatabases]"]:
    """How to get databases on the PostgreSQL server of this test run, which all its processes share.

    Where PostgreSQL does not run, the first test that needs it fails with the reason, all others are skipped.
    """
    from postgres_databases import shared_databases  # Voice clients are tried where its driver is not.
    from postgres_programs import CannotRun

    # With xdist each process has a folder of its own below the one of the run.
    own = tmp_path_factory.getbasetemp()
    meeting = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def refuse(reason: str) -> "PostgresDatabases":
        try:
            (meeting / "postgres.reported").touch(exist_ok=False)
        except FileExistsError:
            pytest.skip(_NO_POSTGRES)
        pytest.fail(f"PostgreSQL does not run here: {reason}", pytrace=False)

    with ExitStack() as stack:
        try:
            databases = stack.enter_context(shared_databases(meeting))
        except CannotRun as error:
            yield partial(refuse, str(error))
        else:
            yield lambda: databases


@pytest.fixture
def postgres(postgres_of_run: "Callable[[], PostgresDatabases]") -> "PostgresDatabases":
    """Databases on the PostgreSQL server of this test run."""
    return postgres_of_run()


@pytest.fixture
def own_server(postgres: "PostgresDatabases") -> Iterator["PostgresServer"]:
    """A PostgreSQL server that the test may stop and kill."""
    from postgres_server import new_server

    with new_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: "PostgresDatabases") -> Iterator[str]:
    """The URL of a PostgreSQL database that only this test uses; its tables are there and empty."""
    with postgres.fresh() as url:
        yield url


@pytest.fixture
def outage(postgres_url: str) -> Iterator["Outage"]:
    """What takes `postgres_url` away, and brings it back at the latest at the end of the test."""
    from postgres_outage import Outage

    outage = Outage(postgres_url)
    yield outage
    outage.close()


@pytest.fixture(params=["sqlite", "postgres"])
def each_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database that only this test uses: the test runs on SQLite and on PostgreSQL."""
    return request.getfixturevalue("database_url" if request.param == "sqlite" else "postgres_url")


@pytest.fixture
def no_stall() -> "Callable[[], LoopWatch]":
    """Return a context manager that fails the test when its body holds up the event loop."""
    from loop_watch import LoopWatch

    return LoopWatch


@pytest.fixture
def voice_url(database_url: str) -> str:
    """The URL that `open_voice` opens; files whose tests run on both databases make it `each_url`."""
    return database_url


@pytest.fixture
def open_voice(voice_url: str) -> OpenVoice:
    """Return how to open resources over the test's database; settings are given by name."""

    @asynccontextmanager
    async def open_it(
        model: str | BaseChatModel, *, tools: Any = (), clock: Any = None, **settings: Any
    ) -> AsyncIterator[Resources]:
        settings.setdefault("filler_after", None)
        async with open_resources(
            voice_url, model=model, tools=tools, clock=clock, settings=Settings(**settings)
        ) as resources:
            yield resources

    return open_it
