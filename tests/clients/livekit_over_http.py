"""A LiveKit agent whose LLM is `voicegraph serve`: python livekit_over_http.py "Hello!" "Who am I?"

It talks in text, so it needs no room. In a room's job give `AgentSession` also `stt=` and `tts=`, and `start`
also `room=ctx.room`: then each request names the job by itself, and no `X-Thread-Id` is needed.
"""

import asyncio
import os
import sys

from livekit.agents import Agent, AgentSession
from livekit.plugins import openai

URL = os.environ.get("VOICEGRAPH_URL", "http://127.0.0.1:8000")
KEY = os.environ.get("VOICEGRAPH_KEY", "none")  # `voicegraph keys create`; on loopback there need be none.


def new_llm(thread_id: str, agent: str = "default", url: str = URL) -> openai.LLM:
    """Return the LLM that is an agent of voicegraph; any other LLM of LiveKit's does what this one does."""
    return openai.LLM(
        model=agent, base_url=f"{url}/v1", api_key=KEY, extra_headers={"X-Thread-Id": thread_id}
    )


async def main(*said: str) -> None:
    """Say each text and print the reply."""
    async with AgentSession(llm=new_llm("livekit-example")) as session:
        await session.start(Agent(instructions="You are on the phone."))
        for words in said:
            result = await session.run(user_input=words)
            print("\n".join(event.item.text_content for event in result.events if event.type == "message"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
