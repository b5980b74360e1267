"""What an import and an export cost: transactions and queries grow with their rows, and none is large."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from ada import ADA
from engines import engine_of
from memory_files import a_block, a_file, an_agent, large_file
from sqlalchemy import event
from sqlalchemy.orm import Session

from voicegraph.state.store import Store
from voicegraph.state.upkeep.export_memory import export_memory, export_to
from voicegraph.state.upkeep.importing.import_memory import import_memory
from voicegraph.state.upkeep.memory_file import FileBlock, MemoryFile, read_memory_file
from voicegraph.state.upkeep.portions import MOST_ROWS


@dataclass
class Written:
    """The rows that each transaction wrote, and the characters of their texts."""

    rows: list[int] = field(default_factory=list[int])
    characters: list[int] = field(default_factory=list[int])


def characters_of(row: Any) -> int:
    values: Any = row.values() if hasattr(row, "values") else row
    return sum(len(value) for value in values if isinstance(value, str))


@pytest.fixture
def written(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    seen = Written()
    write = store.database.write

    def counted(function: Callable[[Session], Any]) -> Awaitable[Any]:
        seen.rows.append(0)
        seen.characters.append(0)
        return write(function)

    def count(_: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            each: list[Any] = parameters if many else [parameters]
            seen.rows[-1] += len(each) if statement.startswith("INSERT") else cursor.rowcount
            seen.characters[-1] += sum(map(characters_of, each))

    monkeypatch.setattr(store.database, "write", counted)
    engine = engine_of(store.database)
    event.listen(engine, "after_cursor_execute", count)
    yield seen
    event.remove(engine, "after_cursor_execute", count)


FILES: dict[str, Callable[[], MemoryFile]] = {
    "many small agents": lambda: a_file([an_agent(f"a{n:04}", threads=1, messages=3) for n in range(400)]),
    "a block with a long history": lambda: held(a_block("long", versions=1_200)),
    "a thread with many messages": lambda: a_file([an_agent("lea", threads=1, messages=1_200)]),
    "many threads": lambda: a_file([an_agent("lea", threads=600, messages=600)]),
    "many passages": lambda: a_file([an_agent("lea", passages=1_200)]),
    "a block that many agents hold": lambda: held(a_block("shared"), holders=600),
    "many blocks of one agent": lambda: held(*(a_block(f"b{n}", f"label {n}") for n in range(600))),
}


def held(*blocks: FileBlock, holders: int = 1) -> MemoryFile:
    return a_file([an_agent(f"a{n:04}", blocks=blocks) for n in range(holders)], blocks)


def rows_of(file: MemoryFile) -> int:
    agents = sum(
        1
        + len(agent.blocks)
        + len(agent.passages)
        + sum(1 + len(thread.messages) for thread in agent.threads)
        for agent in file.agents
    )
    return agents + sum(1 + len(block.versions) for block in file.blocks)


@pytest.mark.parametrize("name", FILES)
async def test_an_import_writes_few_transactions_of_bounded_size(
    store: Store, written: Written, name: str
) -> None:
    file = FILES[name]()
    done = await import_memory(store, ADA, file)
    assert max(written.rows) <= MOST_ROWS + 5  # Its user, and the agent itself.
    assert len(written.rows) <= 2 * rows_of(file) / MOST_ROWS + 8
    assert done.added["agents"] == len(file.agents)
    after = await export_memory(store, ADA)
    assert (after.agents, after.blocks) == (file.agents, file.blocks)


@pytest.mark.parametrize("name", FILES)
async def test_a_second_import_writes_nothing_in_few_transactions(
    store: Store, written: Written, name: str
) -> None:
    file = FILES[name]()
    await import_memory(store, ADA, file)
    first = len(written.rows)
    await import_memory(store, ADA, file)
    assert len(written.rows) - first <= 2 * first
    assert sum(written.rows[first:]) == 0


async def test_a_transaction_of_an_import_holds_a_bounded_amount_of_text(
    store: Store, written: Written
) -> None:
    long = a_block("long", versions=300, text="word " * 1_000 + "{}")
    long = long.model_copy(update={"limit": 10_000})
    lea = an_agent("lea", blocks=[long], threads=1, messages=30, text="word " * 20_000)
    await import_memory(store, ADA, a_file([lea], [long]))
    assert sum(written.characters) > 4_000_000
    assert max(written.characters) < 1_100_000


async def test_an_import_of_agents_that_are_there_asks_little(store: Store, statements: list[str]) -> None:
    file = FILES["many small agents"]()
    await import_memory(store, ADA, file)
    statements.clear()
    await import_memory(store, ADA, file)
    assert len(statements) < rows_of(file) / 50


@pytest.mark.parametrize("name", FILES)
async def test_an_export_asks_few_queries(store: Store, statements: list[str], name: str) -> None:
    file = FILES[name]()
    await import_memory(store, ADA, file)
    statements.clear()
    await export_memory(store, ADA)
    assert len(statements) < rows_of(file) / 20


async def test_an_export_is_written_in_small_pieces(store: Store) -> None:
    file = large_file(MOST_ROWS)
    await import_memory(store, ADA, file)
    pieces: list[bytes] = []
    done = await export_to(store, ADA, pieces.append)
    assert (done.agents, done.blocks) == (3, 2)
    assert max(map(len, pieces)) < 100_000
    content = b"".join(pieces)
    read = read_memory_file(content)
    assert (read.agents, read.blocks) == (file.agents, file.blocks)
    assert content == read.to_json()


async def test_others_write_between_the_transactions_of_an_import(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = FILES["a thread with many messages"]()
    nina = await store.agents.create(ADA, "nina")
    write, open_, beside = store.database.write, 0, 0

    async def others_first(function: Callable[[Session], Any]) -> Any:
        nonlocal open_, beside
        if not open_:
            open_ += 1
            # As a turn does that begins beside the import.
            await store.threads.claim(ADA, nina.id, f"call-{beside}")
            open_ -= 1
            beside += 1
        return await write(function)

    monkeypatch.setattr(store.database, "write", others_first)
    await import_memory(store, ADA, file)
    assert beside > rows_of(file) / MOST_ROWS
    assert len(await store.threads.list(ADA, agent_id=nina.id)) == beside
