"""Who is measured: this project, and others who stream the same completion and keep the same conversation."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .process_figures import PostgresFigures, ProcessFigures
from .served import callers, server
from .stopwatch import Heard, Stopwatch
from .weather import get_weather

SYSTEM = (
    "You are a voice assistant. Your words are spoken aloud by text-to-speech, so be brief and plain. " * 12
)
MODEL = "mock"
WINDOW = 40
"""Messages of history that every contender sends, but those whose history grows."""


Turn = Callable[[str, str], Coroutine[Any, Any, Heard]]
"""Takes the session and the user's words; ends when everything is stored."""


@dataclass(frozen=True)
class Contender:
    """Takes turns, in the process whose figures count."""

    turn: Turn
    process: ProcessFigures


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@asynccontextmanager
async def bare(folder: Path, *, window: int | None) -> AsyncIterator[Turn]:
    """The OpenAI client alone, its history in a list: of `window` messages at most, or ever longer."""
    from openai import AsyncOpenAI

    histories: dict[str, list[Any]] = {}

    async def turn(session: str, words: str) -> Heard:
        watch = Stopwatch()
        history = histories.setdefault(session, [])
        history.append({"role": "user", "content": words})
        while True:
            sent = history if window is None else history[-window - 1 :]
            answer = await _stream_once(client, [{"role": "system", "content": SYSTEM}, *sent], watch)
            history.append(answer)
            if not answer.get("tool_calls"):
                return watch.heard()
            for call in answer["tool_calls"]:
                history.append({"role": "tool", "tool_call_id": call["id"], "content": "Sunny in Rome."})

    async with AsyncOpenAI(max_retries=0) as client:
        yield turn


async def _stream_once(client: Any, messages: list[Any], watch: Stopwatch) -> dict[str, Any]:
    text, calls = "", dict[int, Any]()
    stream = await client.chat.completions.create(
        model=MODEL,
        messages=messages,
        tools=[WEATHER],
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in stream:
        for choice in chunk.choices:
            if choice.delta.content:
                watch.word()
                text += choice.delta.content
            for part in choice.delta.tool_calls or ():
                call = calls.setdefault(part.index, {"id": part.id, "type": "function", "function": None})
                call["function"] = call["function"] or {"name": part.function.name, "arguments": ""}
                call["function"]["arguments"] += part.function.arguments or ""
    made = {"tool_calls": list(calls.values())} if calls else {}
    return {"role": "assistant", "content": text or None, **made}


@asynccontextmanager
async def voicegraph(
    folder: Path, url: str | None = None, *, mode: str = "custom", **settings: Any
) -> AsyncIterator[Turn]:
    """This project, as a caller uses it; consolidation stays out, since no peer has any."""
    from voicegraph.graph import Settings, build_graph, open_resources, stream_turn

    chosen = Settings(consolidate_after=3600, **settings)
    async with open_resources(
        url or f"sqlite:///{folder}/voice.db",
        model=f"openai:{MODEL}",
        tools=[get_weather],
        settings=chosen,
    ) as resources:
        graph = build_graph(resources)

        async def turn(session: str, words: str) -> Heard:
            watch = Stopwatch()
            call: Any = {"configurable": {"thread_id": session}}
            if mode == "messages":
                said: Any = {"messages": [("user", words)]}
                async for message, _ in graph.astream(said, call, stream_mode=mode):
                    if message.text:
                        watch.word()
            else:
                async for event in stream_turn(graph, words, call):
                    if event.type == "speech":
                        watch.word()
            return watch.heard()

        yield turn


@asynccontextmanager
async def on_postgres(folder: Path, **settings: Any) -> AsyncIterator[Contender]:
    """This project on a PostgreSQL server of its own, which keeps what it is told as it does by default.

    What counts as written is what that server logs.
    """
    from postgres_server import PostgresServer

    home = folder.parent / f"{folder.name}-postgres"  # PostgreSQL, which is not root, must reach it.
    home.mkdir(mode=0o755)
    postgres = PostgresServer(home, {"fsync": "on", "full_page_writes": "on", "autovacuum": "on"})
    try:
        postgres.start()
        async with voicegraph(folder, postgres.url(), **settings) as turn:
            yield Contender(turn, PostgresFigures(os.getpid(), postgres.url()))
    finally:
        postgres.stop()
        shutil.rmtree(home)


@asynccontextmanager
async def langgraph(folder: Path) -> AsyncIterator[Turn]:
    """LangGraph's prebuilt agent with its SQLite saver, which writes while the agent runs."""
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    model = ChatOpenAI(model=MODEL, stream_usage=True, max_retries=0)
    async with AsyncSqliteSaver.from_conn_string(str(folder / "checkpoints.db")) as saver:
        agent = create_agent(model, [get_weather], system_prompt=SYSTEM, checkpointer=saver)

        async def turn(session: str, words: str) -> Heard:
            watch = Stopwatch()
            call: Any = {"configurable": {"thread_id": session}}
            said: Any = {"messages": [("user", words)]}
            async for message, told in agent.astream(said, call, stream_mode="messages", durability="async"):
                if told["langgraph_node"] == "model" and message.text:
                    watch.word()
            return watch.heard()

        yield turn


@asynccontextmanager
async def agents_sdk(folder: Path) -> AsyncIterator[Turn]:
    """OpenAI's Agents SDK with its SQLite session."""
    from agents import Agent, ModelSettings, Runner, SQLiteSession, function_tool, set_tracing_disabled
    from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
    from openai import AsyncOpenAI
    from openai.types.responses import ResponseTextDeltaEvent

    set_tracing_disabled(True)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(AsyncOpenAI(max_retries=0))
        agent = Agent[None](
            name="voice",
            instructions=SYSTEM,
            model=OpenAIChatCompletionsModel(MODEL, client),
            model_settings=ModelSettings(include_usage=True),
            tools=[function_tool(get_weather)],
        )
        sessions: dict[str, SQLiteSession] = {}

        async def turn(session: str, words: str) -> Heard:
            watch = Stopwatch()
            if session not in sessions:
                sessions[session] = SQLiteSession(session, folder / "sessions.db")
                stack.callback(sessions[session].close)
            result = Runner.run_streamed(agent, words, session=sessions[session])
            async for event in result.stream_events():
                if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
                    watch.word()
            return watch.heard()

        yield turn


@asynccontextmanager
async def served(folder: Path, **settings: Any) -> AsyncIterator[Contender]:
    """This project behind its server; what the client costs is not counted."""
    async with server(folder, **settings) as (port, pid), callers(port, WINDOW) as turn:
        yield Contender(turn, ProcessFigures(pid))


@asynccontextmanager
async def open_contender(name: str, url: str, folder: Path) -> AsyncIterator[Contender]:
    """Give the contender of that name over the model at `url`."""
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="none")
    async with CONTENDERS[name](folder) as opened:
        own = ProcessFigures(os.getpid())
        yield opened if isinstance(opened, Contender) else Contender(opened, own)


_KEPT = {"message_buffer_min": WINDOW, "message_buffer_limit": WINDOW + 20}

CONTENDERS: dict[str, Callable[[Path], Any]] = {
    "bare client": lambda folder: bare(folder, window=WINDOW),
    "bare client, history grows": lambda folder: bare(folder, window=None),
    "voicegraph": lambda folder: voicegraph(folder, **_KEPT),
    "voicegraph, messages": lambda folder: voicegraph(folder, mode="messages", **_KEPT),
    "voicegraph, PostgreSQL": lambda folder: on_postgres(folder, **_KEPT),
    "voicegraph serve": lambda folder: served(folder, **_KEPT),
    "LangGraph agent": langgraph,
    "Agents SDK": agents_sdk,
}

ALONE = {"voicegraph, messages": ["burst"]}
"""The only scenarios of some contenders."""
