"""Files with words of callers can be read by their owner alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calling import CALL, user_says

from voicegraph.graph import build_graph, open_resources
from voicegraph.nodes.testing import ScriptedChatModel

HI: Any = user_says("Hi")


@pytest.fixture
def generous(tmp_path: Path) -> Iterator[Path]:
    """A folder of a user whose new files all may read and write."""
    before = os.umask(0)
    yield tmp_path
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
async def test_all_that_is_made_is_for_its_owner_alone(generous: Path) -> None:
    folder = generous / "new" / "one"
    async with open_resources(f"sqlite:///{folder}/voice.db", model=ScriptedChatModel(["Hello."])) as opened:
        await build_graph(opened).ainvoke(HI, CALL)
        await opened.store.recall.index_due()
        made = {path.name: mode(path) for path in folder.iterdir()}
    assert {mode(generous / "new"), mode(folder)} == {0o700}
    assert {"voice.db", "voice.checkpoints.db", "voice.index.db", "voice.db-wal"} <= set(made)
    assert set(made.values()) == {0o600}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
async def test_a_file_that_others_may_read_stays_as_its_owner_has_it(generous: Path) -> None:
    (generous / "voice.db").touch(0o664)
    async with open_resources(f"sqlite:///{generous}/voice.db", model=ScriptedChatModel([])):
        assert mode(generous / "voice.db") == 0o664
