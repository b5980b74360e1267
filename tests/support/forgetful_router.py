"""A router between clients and a server, which forgets its connections: the server hears nothing of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class ForgetfulRouter:
    """Passes on what clients and the server at `url` say; its own address is in `url` then."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._clients: set[asyncio.StreamWriter] = set()
        self._forgotten: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to take connections."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        """Where clients are to connect to."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        user = self._target.netloc.rpartition("@")[0]
        return self._target._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    def forget(self) -> None:
        """Cut off all clients; the server still waits for what they say."""
        self._forgotten |= self._clients
        for client in self._clients:
            client.transport.abort()

    async def close(self) -> None:
        """Cut off all."""
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._clients.add(client)
        from_server, server = await asyncio.open_connection(self._target.hostname, self._target.port)
        there = asyncio.create_task(_pass_on(from_client, server))
        back = asyncio.create_task(_pass_on(from_server, client))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            if client in self._forgotten:
                await back
        except asyncio.CancelledError:
            pass  # Python 3.11 complains of a server's task that was cancelled.
        finally:
            self._clients.discard(client)
            there.cancel()
            back.cancel()
            server.close()
            client.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while said := await reader.read(65536):
            writer.write(said)


@asynccontextmanager
async def router_to(url: str) -> AsyncGenerator[ForgetfulRouter]:
    """Give a router to the server at `url`, open during the body."""
    router = ForgetfulRouter(url)
    await router.open()
    try:
        yield router
    finally:
        await router.close()
