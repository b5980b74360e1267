"""A process that begins to consolidate what is due of Ada's agent, tells so, and never comes to an end."""

import asyncio
import sys

from voicegraph.graph import Settings, open_resources
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply


async def main(url: str) -> None:
    def thinking(_: object) -> ScriptedReply:
        print("thinking", flush=True)
        return ScriptedReply(text="Hm.", hold=asyncio.Event())

    settings = Settings(consolidate_after=0)
    async with open_resources(url, model=ScriptedChatModel(thinking), settings=settings):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
