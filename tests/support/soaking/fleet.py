"""Server processes on one database, that are killed and started again."""

import asyncio
import random
import threading
from contextlib import ExitStack
from pathlib import Path

import httpx
from patience import PATIENCE
from serving import Process, serving

TESTS = Path(__file__).parents[1]


class Fleet:
    """So many servers; `url` gives one of them, as a load balancer would that knows of no death."""

    def __init__(self, folder: Path, database_url: str | None, model_url: str, orders: Path) -> None:
        self._folder, self._database_url, self._model_url = folder, database_url, model_url
        self._settings = {
            "PYTHONPATH": str(TESTS),
            "SOAK_ORDERS": str(orders),
            "VOICEGRAPH_FILLER_AFTER": "30",
            "VOICEGRAPH_SPECULATIVE_GRACE": "0",
        }
        self._servers: list[tuple[ExitStack, Process]] = []
        self.killed = 0

    def url(self, dice: random.Random) -> str:
        """Return the URL of one of the servers, which may be dead."""
        return dice.choice(self._servers)[1].url

    def urls(self) -> list[str]:
        """Return the URLs of all servers."""
        return [server.url for _, server in self._servers]

    async def start(self, count: int) -> None:
        """Start so many servers at once, the first of which makes nothing that the others need."""
        self._servers = list(await asyncio.gather(*(asyncio.to_thread(self._start) for _ in range(count))))

    async def kill_one(self, dice: random.Random) -> None:
        """Kill one of the servers and start another one in its place."""
        place = dice.randrange(len(self._servers))
        stack, server = self._servers[place]
        server.process.kill()
        self.killed += 1
        await asyncio.to_thread(stack.close)
        self._servers[place] = await asyncio.to_thread(self._start)

    async def quiet(self, client: httpx.AsyncClient) -> None:
        """Wait until the last turns of all servers are stored."""
        async with asyncio.timeout(PATIENCE):
            for url in self.urls():
                while "voicegraph_running_turns 0.0" not in (await client.get(f"{url}/metrics")).text:
                    await asyncio.sleep(0.1)

    def close(self) -> None:
        """Kill all."""
        for stack, _ in self._servers:
            stack.close()

    def _start(self) -> tuple[ExitStack, Process]:
        stack = ExitStack()
        server = stack.enter_context(
            serving(
                self._folder,
                self._model_url,
                "--tool",
                "soaking.tool:place",
                settings=self._settings,
                database_url=self._database_url,
            )
        )
        # A server that tells of failures would stop in the middle of one when nobody reads them.
        reader = threading.Thread(target=server.process.stderr.read)
        reader.start()
        stack.callback(reader.join)
        stack.callback(server.process.kill)
        return stack, server
