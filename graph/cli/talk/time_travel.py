"""`voicegraph checkpoints` and `fork`: go back to an earlier point of a thread."""

import asyncio
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.options import Caller, Database, caller_of

if TYPE_CHECKING:
    from ...time_travel.checkpoint_table import CheckpointTable

Past = Annotated[str, typer.Argument(metavar="THREAD", help="The thread's id (see `voicegraph threads`).")]
NewThread = Annotated[
    str | None,
    typer.Option("--as", metavar="NEW", help="Id of the new thread. [default: derived from the old one]"),
]
_SHORT = 12
"""Characters of an id's end that a terminal shows; they are enough to name the checkpoint."""


class Memory(StrEnum):
    """The memory blocks that a fork sees."""

    CURRENT = "current"
    AS_OF = "as_of"


def checkpoints(
    context: typer.Context,
    thread: Past,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Number of checkpoints, newest first. [default: all]")
    ] = None,
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object per line.")] = False,
) -> None:
    """List a thread's checkpoints: id, time, next step, number of messages, last message.

    The newest comes first. `fork` makes a new thread from one, `resume --checkpoint` runs the rest of its
    turn again. Each turn deletes old ones at its end (VOICEGRAPH_CHECKPOINTS_KEPT).
    """
    asyncio.run(_checkpoints(caller_of(context), thread, limit, database, as_json=as_json))


def fork(
    context: typer.Context,
    thread: Past,
    checkpoint: Annotated[
        str,
        typer.Option("--checkpoint", metavar="ID", help="The checkpoint; the end of its id is enough."),
    ],
    new: NewThread = None,
    memory: Annotated[
        Memory,
        typer.Option("--memory", help="Memory blocks as they are now, or as they were then."),
    ] = Memory.CURRENT,
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
) -> None:
    """Copy a thread up to a checkpoint into a new thread, and print the new id.

    The old thread is not changed. Tools with side effects that ran later in the turn are not run again: the
    new thread gets their results. With `--memory as_of` it gets its own agent: a copy of the old one, with
    blocks and archive as they were then. Neither agent sees what the other learns.
    """
    asyncio.run(_fork(caller_of(context), thread, checkpoint, new, memory, database, as_json=as_json))


def whole_id(table: "CheckpointTable", given: str) -> str:
    """Return the id that ends in `given`, or `given` itself unless exactly one does."""
    found = [row.id for row in table if given and row.id.endswith(given)]
    return found[0] if len(found) == 1 else given


async def _checkpoints(
    caller: Caller, thread: str, limit: int | None, url: str | None, *, as_json: bool
) -> None:
    from dataclasses import asdict

    import orjson

    from ....state.agents.actors import Actor
    from ...time_travel.checkpoint_table import TITLES, cells
    from ...time_travel.checkpoint_table import checkpoints as table_of
    from ..terminal.output import write_rows
    from .checkpoint_graph import open_checkpoint_graph

    async with open_checkpoint_graph(url) as graph:
        actor = Actor(caller.organization, caller.user)
        table = await table_of(graph, thread, limit=limit, actor=actor)
    if as_json:
        sys.stdout.writelines(orjson.dumps(asdict(row)).decode() + "\n" for row in table)
        return
    cut = _SHORT if sys.stdout.isatty() else 0
    rows = [[row.id[-cut:], *cells(row)[1:]] for row in table]
    write_rows(TITLES, rows, nothing="No checkpoints: this program has run no turn on this thread.")


async def _fork(
    caller: Caller,
    thread: str,
    checkpoint: str,
    new: str | None,
    memory: Memory,
    url: str | None,
    *,
    as_json: bool,
) -> None:
    import orjson

    from ....state.agents.actors import Actor
    from ...time_travel.checkpoint_table import checkpoints as table_of
    from ...time_travel.forking import fork as make_fork
    from ..terminal.output import console
    from .checkpoint_graph import open_checkpoint_graph

    actor = Actor(caller.organization, caller.user)
    async with open_checkpoint_graph(url) as graph:
        place = whole_id(await table_of(graph, thread, actor=actor), checkpoint)
        made = await make_fork(graph, thread, place, new, memory=memory.value, actor=actor)
    fields = {"thread": made.thread_id, "agent": made.agent, "unfinished": made.unfinished}
    sys.stdout.write((orjson.dumps(fields).decode() if as_json else made.thread_id) + "\n")
    notes = console(errors=True)
    if made.unfinished:
        notes.print(f"Complete its turn with: voicegraph resume {made.thread_id}", style="dim")
    notes.print(f"Continue with: voicegraph say --thread {made.thread_id} TEXT", style="dim")
