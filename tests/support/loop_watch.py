"""Measure how long the event loop stands still, on a busy machine too."""

import asyncio
import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

BEAT = 0.005
"""Seconds between two wake-ups of the loop."""
LONGEST = 0.05
"""Seconds of the processor that one callback may take on a quiet machine."""
TOLERANCE = 2.0
"""Factor for a busy machine. Waiting for a processor does not count, but what runs on the other half of the
core, and what shares the caches, makes the same work take up to twice the time of the processor."""
LONGEST_LOCK = 0.15
"""Seconds of the process for which a thread may keep the interpreter's lock: all threads count."""

_HANDLE: Any = asyncio.Handle  # Its private method is replaced.


class LoopWatch:
    """Measures the longest time for which one piece of work held up the running event loop.

    A callback counts as the processor time that the loop's thread used in it, not as the time on the clock:
    so other threads and processes make no difference. A thread that keeps the interpreter's lock is found by
    late beats; each counts as the processor time that the whole process used meanwhile.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        """Seconds that one callback took."""
        self.longest_lock = 0.0
        """Seconds that the loop waited for the interpreter's lock, or for a callback."""
        self.places: Counter[str] = Counter()
        """Where the loop was while a beat was late: places and their number of samples."""
        self._due_at = 0.0
        self._watching = False
        self._collecting = list(gc.callbacks)

    async def __aenter__(self) -> "LoopWatch":
        # A collection must not look through all that the test run has imported. It stays frozen: thawed, it
        # would make each later collection half a second longer.
        gc.collect()
        gc.freeze()
        # Beside a frozen heap Python would look through what is new far more often than in a server, whose
        # imports count as old: there it waits for a quarter of their number, 140,000 objects.
        self._thresholds = gc.get_threshold()
        gc.set_threshold(*self._thresholds[:2], 20)
        # A callback, as Hypothesis has one, would release the interpreter's lock in the middle of C code.
        gc.callbacks.clear()
        self._watching, self._due_at = True, time.perf_counter()
        self._loop_thread = threading.get_ident()
        self._run = _HANDLE._run
        _HANDLE._run = self._timed(self._run)
        self._beating = asyncio.create_task(self._beat())
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.sleep(2 * BEAT)
        self._watching = False
        _HANDLE._run = self._run
        self._beating.cancel()
        with suppress(asyncio.CancelledError):
            await self._beating
        self._sampler.join()
        gc.callbacks.extend(self._collecting)
        gc.set_threshold(*self._thresholds)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise `AssertionError` when the loop stood still for too long."""
        places = ", ".join(f"{place} ({count})" for place, count in self.places.most_common(5))
        assert self.longest <= LONGEST * TOLERANCE, f"a callback took {self.longest:.3f} s: {places}"
        lock = self.longest_lock
        assert lock <= LONGEST_LOCK, f"the loop stood still for {lock:.3f} s: {places}"

    def _timed(self, run: Callable[[asyncio.Handle], None]) -> Callable[[asyncio.Handle], None]:
        def timed(handle: asyncio.Handle) -> None:
            if threading.get_ident() != self._loop_thread:
                return run(handle)
            began = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - began)

        return timed

    async def _beat(self) -> None:
        began, used = time.perf_counter(), time.process_time()
        while True:
            self._due_at = began + BEAT
            await asyncio.sleep(BEAT)
            # Read once for both beats: the lock may be lost between any two lines.
            now, now_used = time.perf_counter(), time.process_time()
            self.longest_lock = max(self.longest_lock, min(now - began - BEAT, now_used - used))
            began, used = now, now_used

    def _sample(self) -> None:
        while self._watching:
            time.sleep(2 * BEAT)
            if time.perf_counter() - self._due_at < LONGEST / 2:
                continue
            frame = sys._current_frames().get(self._loop_thread)
            places: list[str] = []
            while frame is not None and len(places) < 6:
                name = frame.f_code.co_filename.rpartition("/")[2]
                places.append(f"{name}:{frame.f_lineno} {frame.f_code.co_name}")
                frame = frame.f_back
            self.places[" < ".join(places)] += 1
