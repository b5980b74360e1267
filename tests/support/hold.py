"""An event that also says when something waits for it, so that a test need not ask again and again."""

import asyncio
from typing import Literal


class Hold(asyncio.Event):
    """Holds up what waits for it until it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        """Set once something waits."""

    async def wait(self) -> Literal[True]:
        self.reached.set()
        return await super().wait()
