"""Work that goes on after its turn, when it fails without anybody waiting for it."""

import asyncio
import logging
from typing import Any

import pytest

from voicegraph.nodes.context import Background

SECRET = "what the caller said"


async def fail() -> None:
    raise ValueError(SECRET)


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[Any]:
    return [record for record in caplog.records if record.levelno == level]


async def test_a_failure_that_nobody_awaits_is_one_line_with_its_type(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    background = Background()
    background.start(fail())
    await background.drain(5)
    [line] = told(caplog, logging.ERROR)
    assert line.getMessage() == "work in the background failed: ValueError in fail"
    assert SECRET not in line.getMessage() and line.exc_info is None
    assert [record.exc_info[0] for record in told(caplog, logging.DEBUG) if record.exc_info] == [ValueError]


async def test_a_failure_that_somebody_awaits_is_theirs(caplog: pytest.LogCaptureFixture) -> None:
    background = Background()
    with pytest.raises(ValueError, match=SECRET):
        await background.start(fail(), awaited=True)
    assert not told(caplog, logging.ERROR)


async def test_work_that_is_cancelled_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    background = Background()
    background.start(asyncio.Event().wait())
    await background.drain(0)
    assert not told(caplog, logging.ERROR)
