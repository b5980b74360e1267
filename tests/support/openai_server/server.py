"""The server itself: a thread with an event loop that answers OpenAI's protocol by script."""

import asyncio
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Self

from patience import PATIENCE

from .answering import Answering
from .collection import pause_collection, resume_collection
from .recording import Recorded, Recording
from .script import Answer
from .wire import Connection


class OpenAIServer:
    """Answer each request for a completion with the next reply of the queue, then with `default`.

    A context manager, in plain and in async code. `require_key` asks for that key, `models` are the names
    that are known (None: any), `strict=False` also takes conversations and tools that OpenAI would refuse. A
    refused request takes no reply from the queue. `port` 0 is any free one; `log` gets all requests, as JSON.
    """

    def __init__(
        self,
        *replies: Answer,
        default: Answer | None = None,
        require_key: str | None = None,
        models: Collection[str] | None = None,
        strict: bool = True,
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.port = port
        self._recording = Recording(log)
        self._answering = Answering(replies, default, require_key, models, strict, self._recording)
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="openai-server", daemon=True)

    @property
    def base_url(self) -> str:
        """What to give a client as its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Recorded]:
        """The requests for completions so far, refused ones included, in the order of arrival."""
        return self._recording.requests

    @property
    def violations(self) -> list[str]:
        """What OpenAI would have refused, of all requests."""
        return self._answering.violations

    @property
    def unexpected(self) -> list[Recorded]:
        """Requests that found neither a reply nor a default."""
        return self._answering.unexpected

    @property
    def open_connections(self) -> int:
        """How many connections are open now, those that a client keeps for its next request included."""
        return len(self._connections)

    @property
    def unused(self) -> int:
        """How many replies of the queue nobody has asked for."""
        return len(self._answering.queue)

    def add(self, *replies: Answer) -> None:
        """Put replies at the end of the queue."""
        self._answering.queue.extend(replies)

    def wait_for_requests(self, count: int, within: float = PATIENCE) -> list[Recorded]:
        """Block until `count` requests have arrived in all, and return them; raise TimeoutError otherwise."""
        self._recording.wait(lambda: len(self.requests) >= count, within, f"request {count}")
        return self.requests[:count]

    async def async_wait_for_requests(self, count: int, within: float = PATIENCE) -> list[Recorded]:
        """Do as `wait_for_requests` does without blocking the event loop."""
        await self._recording.async_wait(lambda: len(self.requests) >= count, within, f"request {count}")
        return self.requests[:count]

    def wait_closed(self, index: int, within: float = PATIENCE) -> Recorded:
        """Block until request `index` (from 0) has ended in any way, and return it, or raise TimeoutError."""
        self._recording.wait(lambda: self._has_ended(index), within, f"the end of request {index}")
        return self.requests[index]

    async def async_wait_closed(self, index: int, within: float = PATIENCE) -> Recorded:
        """Do as `wait_closed` does without blocking the event loop."""
        await self._recording.async_wait(
            lambda: self._has_ended(index), within, f"the end of request {index}"
        )
        return self.requests[index]

    async def async_wait_connections(self, count: int, within: float = PATIENCE) -> None:
        """Wait until exactly `count` connections are open."""
        await self._recording.async_wait(
            lambda: self.open_connections == count, within, f"{count} connections"
        )

    def check(self) -> None:
        """Raise AssertionError when a request was unacceptable or unexpected, or a reply was not used."""
        assert not self.violations, self.violations
        assert not self.unexpected, f"unexpected requests: {[recorded.index for recorded in self.unexpected]}"
        assert not self.unused, f"{self.unused} replies were not used"

    def __enter__(self) -> Self:
        pause_collection()
        self._start()
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        self._end()
        self._leave(error)

    async def __aenter__(self) -> Self:
        pause_collection()
        await asyncio.to_thread(self._start)
        return self

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        await asyncio.to_thread(self._end)
        self._leave(error)

    def _start(self) -> None:
        self._thread.start()
        self._started.wait()
        if self._answering.broken:
            resume_collection()
            raise self._answering.broken.pop()

    def _end(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._recording.close()

    def _leave(self, error: BaseException | None) -> None:
        resume_collection()
        if self._answering.broken and error is None:
            raise self._answering.broken[0]

    def _has_ended(self, index: int) -> bool:
        return len(self.requests) > index and self.requests[index].finished is not None

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # it must reach the thread of the test, which waits for the start
            self._answering.broken.append(error)
        finally:
            self._started.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        listener = await self._loop.create_server(
            lambda: Connection(self._accept, self._loop), "127.0.0.1", self.port
        )
        self.port = listener.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        self._answering.stopping = True
        listener.close()
        open_now = dict(self._connections)
        for connection, task in open_now.items():
            task.cancel()
            connection.writer.transport.abort()
        await asyncio.gather(
            *open_now.values(), *(connection.lost for connection in open_now), return_exceptions=True
        )

    def _accept(self, connection: Connection) -> None:
        self._connections[connection] = task = self._loop.create_task(self._answering.serve(connection))
        connection.lost.add_done_callback(lambda _: self._forget(connection))
        task.add_done_callback(self._note_failure)

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self._recording.changed()

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._answering.broken.append(error)
