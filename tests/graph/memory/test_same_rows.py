"""The same conversation gives the same rows on SQLite and on PostgreSQL."""

import asyncio
import re
from contextlib import aclosing
from datetime import datetime
from typing import Any

from ada import ADA
from calling import user_says
from langchain_core.runnables import RunnableConfig
from sqlalchemy import select

from voicegraph.graph import Settings, build_graph, interrupt, open_resources, stream_turn
from voicegraph.nodes import voice_tool
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply, calls
from voicegraph.state.upkeep.copying.copy_rows import TABLES

CALL: RunnableConfig = {"configurable": {"thread_id": "call-1", "organization": "acme", "user": "ada"}}
_ID = re.compile(r"[0-9a-f]{32,64}|call_[0-9a-f]{12}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@voice_tool()
def weigh(what: str) -> dict[str, Any]:
    """Weigh something."""
    return {"what": what, "grams": 12.5, "words": "שלום 😀", "none": None}


@voice_tool(side_effects=True)
def fail(what: str) -> str:
    """Fail."""
    raise ValueError(what)


def model() -> ScriptedChatModel:
    return ScriptedChatModel(
        [
            calls("weigh", "I weigh it.", what="tea"),
            "It weighs 12.5 grams.",
            ScriptedReply(text="One two three four five.", hold=asyncio.Event(), hold_after=3),
            calls("fail", "I try.", what="this"),
            "That did not work.",
            *(f"Reply {number} \ud83d." for number in range(6)),
        ]
    )


async def converse(url: str) -> dict[str, Any]:
    """Talk with tools, an interruption, a failure and evictions; return the rows of all tables."""
    settings = Settings(filler_after=None, message_buffer_limit=8, message_buffer_min=4)
    async with open_resources(url, model=model(), tools=[weigh, fail], settings=settings) as resources:
        graph, store = build_graph(resources), resources.store
        await graph.ainvoke(user_says("Weigh the tea."), CALL)
        async with aclosing(stream_turn(graph, "Count.", CALL)) as stream:
            for _ in range(3):
                await anext(stream)
            await interrupt(graph, "call-1", heard="One two", actor=ADA)
        for words in ("Try this.", *(f"Turn {number}." for number in range(6))):
            await graph.ainvoke(user_says(words), CALL)
        agent = await store.agents.get(ADA, "default")
        block = await store.blocks.by_label(ADA, agent.id, "human")
        await store.blocks.write(ADA, block.id, "Ada likes tea.")
        await store.passages.insert(ADA, agent.id, "She likes tea. " * 100, tags=["taste"])
        await store.keys.create(ADA, "phone")
        await store.recall.index_due()
        checkpoints = await resources.checkpointer.threads()
        return {**await rows(store.database), "checkpoints": checkpoints}


async def rows(database: Any) -> dict[str, Any]:
    """Return all rows of all tables, with the same names for what is different each time."""
    seen: dict[str, str] = {}
    found: dict[str, Any] = {}
    for table in TABLES:
        order = [column for column in table.columns if column.name in ("number", "position", "version")]
        query = select(table).order_by(*(order or table.primary_key))
        read = await database.read(lambda session, query=query: session.execute(query).mappings().all())
        found[table.name] = [{name: plain(value, seen) for name, value in row.items()} for row in read]
    return found


def plain(value: Any, seen: dict[str, str]) -> Any:
    match value:
        case datetime():
            return f"a time in {value.tzinfo}"
        case str():
            return _ID.sub(lambda id_: seen.setdefault(id_[0], f"id {len(seen)}"), value)
        case dict():
            return {name: plain(each, seen) for name, each in value.items()}
        case list():
            return [plain(each, seen) for each in value]
        case _:
            return value


async def test_the_same_conversation_gives_the_same_rows_on_both_databases(
    database_url: str, postgres_url: str
) -> None:
    one, other = await converse(database_url), await converse(postgres_url)
    assert {table for table, found in one.items() if not found} == {"tool_runs", "turn_journal"}
    for table, found in one.items():
        assert other[table] == found, table
