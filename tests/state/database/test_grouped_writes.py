"""Rows that are written together: those that come during a write share the next one."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy.exc import IntegrityError

from voicegraph.state.database.grouped_writes import GroupedWrites


class Table:
    """Writes that wait until they are let through."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.through = asyncio.Event()
        self.writing = GroupedWrites[str, str](self.write)

    async def write(self, rows: Sequence[str]) -> list[str]:
        self.writes.append(list(rows))
        await self.through.wait()
        if "wrong" in rows:
            raise IntegrityError("INSERT", {}, ValueError())
        return [row.upper() for row in rows]


async def some_rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_rows_that_come_during_a_write_share_the_next_one() -> None:
    table = Table()
    first = asyncio.create_task(table.writing.add("a"))
    await some_rounds()
    others = [asyncio.create_task(table.writing.add(row)) for row in "bcd"]
    await some_rounds()
    table.through.set()
    assert await asyncio.gather(first, *others) == ["A", "B", "C", "D"]
    assert table.writes == [["a"], ["b", "c", "d"]]


async def test_rows_that_come_together_are_written_together() -> None:
    table = Table()
    table.through.set()
    assert await asyncio.gather(*map(table.writing.add, "abc")) == ["A", "B", "C"]
    assert table.writes == [["a", "b", "c"]]


async def test_a_wrong_row_fails_alone() -> None:
    table = Table()
    table.through.set()
    outcomes = await asyncio.gather(*map(table.writing.add, ["a", "wrong", "b"]), return_exceptions=True)
    assert (outcomes[0], outcomes[2]) == ("A", "B")
    assert isinstance(outcomes[1], IntegrityError)


async def test_a_cancelled_caller_takes_no_row_along() -> None:
    table = Table()
    tasks = [asyncio.create_task(table.writing.add(row)) for row in "ab"]
    await some_rounds()
    tasks[0].cancel()
    table.through.set()
    assert await tasks[1] == "B"
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert table.writes == [["a", "b"]]
