"""Undo, redo and looking back: every text that a block ever had can be read and brought back."""

from datetime import datetime, timedelta

import pytest
from ada import ADA
from hypothesis import given
from hypothesis import strategies as st

from voicegraph.state.agents.block_undo import undo_line
from voicegraph.state.errors import (
    BlockNotFound,
    BlockTooLong,
    InvalidInput,
    NothingToUndo,
    StaleVersion,
)
from voicegraph.state.store import Store


async def written(store: Store, *texts: str) -> str:
    """Make a block that had these texts, one after the other; return its id."""
    block = await store.blocks.create(ADA, "human", texts[0])
    for text in texts[1:]:
        await store.blocks.write(ADA, block.id, text, changed_by="agent")
    return block.id


async def test_an_undo_is_a_new_version_and_says_so(store: Store) -> None:
    block_id = await written(store, "one", "two")
    undone = await store.blocks.undo(ADA, block_id)
    assert (undone.value, undone.version) == ("one", 3)
    history = await store.blocks.history(ADA, block_id)
    assert [(entry.value, entry.changed_by) for entry in history] == [
        ("one", "user"),
        ("two", "agent"),
        ("one", "undo"),
    ]
    assert await store.blocks.get(ADA, block_id) == undone


async def test_undoing_again_goes_further_back_and_redoing_forth_again(store: Store) -> None:
    block_id = await written(store, "one", "two", "three")
    blocks = store.blocks
    steps = [blocks.undo, blocks.undo, blocks.redo, blocks.undo, blocks.redo, blocks.redo]
    assert [(await step(ADA, block_id)).value for step in steps] == [
        "two",
        "one",
        "two",
        "one",
        "two",
        "three",
    ]
    assert [entry.changed_by for entry in await blocks.history(ADA, block_id)][-2:] == ["redo", "redo"]


async def test_the_first_text_cannot_be_undone(store: Store) -> None:
    block_id = await written(store, "one", "two")
    await store.blocks.undo(ADA, block_id)
    with pytest.raises(NothingToUndo, match="'human' is at its first text"):
        await store.blocks.undo(ADA, block_id)


async def test_a_new_text_behind_an_undo_ends_the_way_forth(store: Store) -> None:
    block_id = await written(store, "one", "two")
    await store.blocks.undo(ADA, block_id)
    await store.blocks.write(ADA, block_id, "other")
    with pytest.raises(NothingToUndo, match="no undone change"):
        await store.blocks.redo(ADA, block_id)
    assert (await store.blocks.undo(ADA, block_id)).value == "one"
    assert (await store.blocks.redo(ADA, block_id)).value == "other"


async def test_undo_and_redo_can_expect_a_version(store: Store) -> None:
    block_id = await written(store, "one", "two")
    for step in (store.blocks.undo, store.blocks.redo):
        with pytest.raises(StaleVersion, match="is at version 2, not 1"):
            await step(ADA, block_id, expected_version=1)
    assert (await store.blocks.undo(ADA, block_id, expected_version=2)).value == "one"


async def test_an_undone_text_must_fit_a_limit_that_was_lowered(store: Store) -> None:
    block_id = await written(store, "a long text", "short")
    await store.blocks.resize(ADA, block_id, 5)
    with pytest.raises(BlockTooLong, match="at most 5 characters, the new text has 11"):
        await store.blocks.undo(ADA, block_id)


@pytest.mark.parametrize("author", ["undo", "redo", "", "a\0b"])
async def test_nobody_can_write_in_the_name_of_an_undo(store: Store, author: str) -> None:
    block_id = await written(store, "one")
    with pytest.raises(InvalidInput):
        await store.blocks.write(ADA, block_id, "two", changed_by=author)


async def test_a_block_can_be_read_as_of_a_version(store: Store) -> None:
    block_id = await written(store, "one", "two")
    assert (await store.blocks.as_of(ADA, block_id, 1)).value == "one"
    with pytest.raises(BlockNotFound, match="has no text of version 3"):
        await store.blocks.as_of(ADA, block_id, 3)


async def test_a_block_can_be_read_as_of_an_instant(store: Store) -> None:
    block_id = await written(store, "one", "two", "three")
    history = await store.blocks.history(ADA, block_id)
    for entry in history:
        assert await store.blocks.as_of(ADA, block_id, entry.changed_at) == entry
    assert await store.blocks.as_of(ADA, block_id, history[-1].changed_at + timedelta(days=9)) == history[-1]


async def test_before_it_was_made_a_block_had_no_text(store: Store) -> None:
    block_id = await written(store, "one")
    made = (await store.blocks.history(ADA, block_id))[0].changed_at
    with pytest.raises(BlockNotFound, match="has no text at"):
        await store.blocks.as_of(ADA, block_id, made - timedelta(seconds=1))
    with pytest.raises(InvalidInput, match="needs a time zone"):
        await store.blocks.as_of(ADA, block_id, datetime(2026, 3, 1))


class Editor:
    """What undo and redo should do, the plain way: two stacks of texts."""

    def __init__(self) -> None:
        self.past, self.now, self.future = list[int](), 1, list[int]()

    def do(self, what: str, version: int) -> bool:
        stacks = {"undo": (self.past, self.future), "redo": (self.future, self.past)}
        if what == "write":
            self.past.append(self.now)
            self.now, self.future = version, []
            return True
        source, target = stacks[what]
        if not source:
            return False
        target.append(self.now)
        self.now = source.pop()
        return True


@given(st.lists(st.sampled_from(["write", "undo", "redo"]), max_size=30))
def test_the_history_alone_tells_what_an_editor_would_remember(steps: list[str]) -> None:
    editor, history, texts = Editor(), [(1, "user")], {1: 1}
    for step in steps:
        version = len(history) + 1
        if editor.do(step, version):
            history.append((version, "user" if step == "write" else step))
            texts[version] = editor.now
    line = undo_line(history)
    assert [texts[version] for version in line.versions] == [
        *editor.past,
        editor.now,
        *reversed(editor.future),
    ]
    assert texts[line.versions[line.place]] == editor.now
