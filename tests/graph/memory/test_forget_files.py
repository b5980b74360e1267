"""Once somebody is forgotten their words are in no file of SQLite, whatever was pruned or replaced before."""

from pathlib import Path
from typing import Any, cast

import pytest
from ada import ADA
from open_voice import OpenVoice
from remembered import talk
from sqlalchemy import text

from voicegraph.graph import Resources
from voicegraph.nodes.testing import ScriptedChatModel
from voicegraph.state.agents.thread_keys import thread_key
from voicegraph.state.upkeep.forget import forget_thread, forget_user

WORD = "Wolfgangsee"


@pytest.fixture
def model() -> ScriptedChatModel:
    return ScriptedChatModel(lambda messages: f"You said {messages[-1].text[:2000]}.")


async def talk_long(resources: Resources, thread_id: str, word: str) -> None:
    """Say a word in texts of many lengths, until checkpoints are pruned and messages leave the window."""
    for times in (1, 4, 40, 400, 4, 1, 40, 400, 1, 4, 40, 1):
        await talk(resources, ADA, "nina", thread_id, f"{word} " * times)
    await resources.store.recall.index_due()


def files_with(word: str, folder: Path) -> set[str]:
    return {file.name for file in folder.glob("voice*") if word.encode() in file.read_bytes()}


async def free_pages(resources: Resources) -> int:
    saver: Any = resources.checkpointer
    [(pages,)] = await saver.connection.execute("PRAGMA freelist_count")
    return pages


async def forget_call(resources: Resources, thread_id: str) -> None:
    assert (await forget_thread(resources.store, resources.checkpointer, ADA, thread_id)).complete
    resources.known.forget(thread_key(ADA, thread_id))


LITTLE: Any = {"checkpoints_kept": 2, "message_buffer_limit": 8, "message_buffer_min": 4}


@pytest.mark.parametrize("first", [None, "call-1"], ids=["alone", "after another one"])
async def test_words_of_pruned_checkpoints_go_with_the_thread(
    open_voice: OpenVoice, model: ScriptedChatModel, tmp_path: Path, first: str | None
) -> None:
    async with open_voice(model, **LITTLE) as resources:
        await resources.store.agents.create(ADA, "nina")
        if first is not None:
            await talk(resources, ADA, "nina", first, "Hello.")
            await forget_call(resources, first)
        await talk_long(resources, "call-2", "Neighbour")
        await talk_long(resources, "call-42", WORD)
        assert await free_pages(resources) > 0
        await cast(Any, resources.checkpointer).connection.execute("PRAGMA wal_checkpoint")
        assert "voice.checkpoints.db" in files_with(WORD, tmp_path)
        await forget_call(resources, "call-42")
        assert files_with(WORD, tmp_path) == set()
        assert "voice.checkpoints.db" in files_with("Neighbour", tmp_path)
    assert files_with(WORD, tmp_path) == set()


async def test_words_of_texts_that_were_replaced_or_deleted_before_go_with_the_user(
    open_voice: OpenVoice, model: ScriptedChatModel, tmp_path: Path
) -> None:
    async with open_voice(model, **LITTLE) as resources:
        store = resources.store
        agent = await store.agents.create(ADA, "nina", blocks={"human": f"{WORD} 1 " * 50})
        block = await store.blocks.by_label(ADA, agent.id, "human")
        await store.blocks.write(ADA, block.id, f"{WORD} 2 " * 9)
        gone = await store.blocks.create(ADA, "plans", f"{WORD} 3 " * 60)
        await store.blocks.delete(ADA, gone.id)
        passages = await store.passages.insert(ADA, agent.id, f"{WORD} 4 " * 300)
        await store.recall.index_due()
        for passage in passages:
            await store.passages.delete(ADA, passage.id)
        await talk_long(resources, "call-1", WORD)
        shorten = text("UPDATE messages SET text = 'Short.', spoken = NULL")
        await store.database.write(lambda session: session.execute(shorten))
        await forget_user(store, resources.checkpointer, ADA)
        assert files_with(WORD, tmp_path) == set()
