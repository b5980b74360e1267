"""A pooler between the processes and PostgreSQL."""

import asyncio

import pytest
from calling import CALL
from pooler import pooler_before

from voicegraph.graph import build_graph, interrupt, open_resources, stream_turn
from voicegraph.nodes import TurnFinished
from voicegraph.nodes.testing import ScriptedChatModel, ScriptedReply
from voicegraph.state.errors import StorageError


async def test_a_turn_is_interrupted_from_another_process_through_a_pooler_of_sessions(
    postgres_url: str,
) -> None:
    held = ScriptedReply(text="One two three four five.", hold=asyncio.Event(), hold_after=3)
    async with pooler_before(postgres_url, "session") as pooler:
        async with (
            open_resources(pooler.url, model=ScriptedChatModel([held])) as one,
            open_resources(pooler.url, model=ScriptedChatModel([])) as other,
        ):
            stream = stream_turn(build_graph(one), "Count.", CALL)
            for _ in range(3):
                await anext(stream)
            assert await interrupt(build_graph(other), "call-42", heard="One two") is True
            *_, end = [event async for event in stream]
            assert isinstance(end, TurnFinished) and end.finish_reason == "interrupted"


async def test_a_pooler_of_transactions_is_refused_in_one_line(postgres_url: str) -> None:
    async with pooler_before(postgres_url, "transaction") as pooler:
        with pytest.raises(StorageError, match="set its pool_mode to session") as refused:
            async with open_resources(pooler.url, model=ScriptedChatModel([])):
                pass
    assert "\n" not in str(refused.value)
