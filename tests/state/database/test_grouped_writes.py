"""Rows that are written together: those that come during a write share the next one."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from sqlalchemy.exc import IntegrityError

from voicegraph.state.database.database import Database
from voicegraph.state.database.grouped_writes import GroupedWrites


class Table:
    """A database with one writer, whose writes wait until they are let through."""

    has_one_writer = True

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.through = asyncio.Event()
        self.writing = GroupedWrites[str, str](cast(Database, self), self.write_row)

    async def write(self, function: Callable[[Any], Any]) -> Any:
        self.writes.append([])
        await self.through.wait()
        return function(self)

    def connection(self) -> None:
        pass

    def write_row(self, _: object, row: str) -> str:
        self.writes[-1].append(row)
        if row == "wrong":
            raise IntegrityError("INSERT", {}, ValueError())
        return row.upper()


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


async def test_rows_are_written_alone_where_a_row_that_waits_for_a_lock_would_hold_up_others() -> None:
    table = Table()
    table.has_one_writer = False
    table.through.set()
    assert await asyncio.gather(*map(table.writing.add, "abc")) == ["A", "B", "C"]
    assert len(table.writes) == 3
