"""A process that kills itself right before or right after one of its writes, as `before aput 3` has it."""

import functools
import os
import signal
from collections import Counter
from dataclasses import replace
from typing import Any

import voicegraph.graph.threads.journaling as journaling
from sweeps import turn
from voicegraph.state.conversations.messages import Messages
from voicegraph.state.conversations.tool_runs import ToolRuns
from voicegraph.state.conversations.turn_journal import TurnJournal
from voicegraph.state.postgres import checkpoint_rows
from voicegraph.state.sqlite.file_connection import FileConnection


def kill_at(when: str, kind: str, number: int) -> None:
    """Let this process die `before` or `after` its write of this number among those of a kind, or of `any`.

    Kinds are `checkpoints` (and what a step gave before its checkpoint, some of these at once),
    `journal` (the beginning of the turn), `note` (what was spoken), `save` (messages) and `tool`. A `note`
    counts as nothing else: how often that is written is the clock's.
    """
    journaling.FLUSH_SECONDS = 0.02
    if kind != "note":
        turn.WITH_TOOLS, turn.AT_THE_END = (
            replace(reply, token_seconds=0.0) for reply in (turn.WITH_TOOLS, turn.AT_THE_END)
        )
    counts: Counter[str] = Counter()

    def watch(owner: Any, name: str, what: str) -> None:
        write = getattr(owner, name)

        @functools.wraps(write)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            counts[what] += 1
            counts["any"] += what != "note"
            counted = what if kind != "any" else "any" if what != "note" else None
            dies = kind in ("any", what) and counted is not None and counts[counted] == number
            if dies and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            given = await write(*args, **kwargs)
            print(f"wrote {what}", flush=True)
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            return given

        setattr(owner, name, watched)

    watch(checkpoint_rows, "write", "checkpoints")
    watch(FileConnection, "write", "checkpoints")
    watch(TurnJournal, "begin", "journal")
    watch(TurnJournal, "note", "note")
    watch(Messages, "save", "save")
    for name in ("begin", "finish", "discard"):
        watch(ToolRuns, name, "tool")
