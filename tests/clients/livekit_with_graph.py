"""A LiveKit agent that runs voicegraph in its own process: python livekit_with_graph.py "Hello!" "Who am I?"

It talks in text, so it needs no room. In a room's job give `AgentSession` also `stt=` and `tts=`, and `start`
also `room=ctx.room`; the conversation's name can be `ctx.job.id`.
"""

import asyncio
import os
import sys

from livekit.agents import Agent, AgentSession
from livekit.plugins.langchain import LLMAdapter

from voicegraph.graph import build_graph, open_resources

DATABASE = os.environ.get("VOICEGRAPH_DATABASE_URL", "sqlite:///voice.db")


def new_llm(graph, thread_id: str, stream_mode="custom") -> LLMAdapter:
    """Return the graph as an LLM; `messages` says the same words, later by a few microseconds each."""
    return LLMAdapter(graph, config={"configurable": {"thread_id": thread_id}}, stream_mode=stream_mode)


async def main(*said: str) -> None:
    """Say each text and print the reply."""
    async with open_resources(DATABASE) as resources:  # or model=..., tools=[...]
        async with AgentSession(llm=new_llm(build_graph(resources), "livekit-example")) as session:
            await session.start(Agent(instructions="You are on the phone."))
            for words in said:
                result = await session.run(user_input=words)
                print("\n".join(e.item.text_content for e in result.events if e.type == "message"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
