"""The watch over the event loop sees what it is for, and nothing else."""

import asyncio
import threading
import time

import orjson
import pytest
from loop_watch import LoopWatch


def compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def test_work_on_the_loop_is_a_stall() -> None:
    with pytest.raises(AssertionError, match="compute"):
        async with LoopWatch():
            compute(0.12)


async def test_a_thread_that_keeps_the_lock_of_the_interpreter_is_a_stall() -> None:
    text = b"[" + b"[]," * 3_000_000 + b"[]]"
    with pytest.raises(AssertionError, match="stood still"):
        async with LoopWatch():
            await asyncio.to_thread(orjson.loads, text)


async def test_waiting_and_work_in_a_thread_are_none() -> None:
    async with LoopWatch():
        waiting = threading.Event()
        await asyncio.to_thread(waiting.wait, 0.2)
        await asyncio.to_thread(compute, 0.2)
