"""`voicegraph checkpoints` and `fork`: where a thread can be gone back to, and another future of it."""

import asyncio
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.options import Caller, Database, caller_of

if TYPE_CHECKING:
    from ...time_travel.checkpoint_table import CheckpointTable

Past = Annotated[str, typer.Argument(metavar="THREAD", help="Its id, as `voicegraph threads` shows it.")]
NewThread = Annotated[
    str | None,
    typer.Option("--as", metavar="NEW", help="The id of the new thread. [default: made from the old one]"),
]
_SHORT = 12
"""So much of an id's end is shown on a terminal; it is enough to name it."""


class Memory(StrEnum):
    """Which memory blocks a fork sees."""

    CURRENT = "current"
    AS_OF = "as_of"


def checkpoints(
    context: typer.Context,
    thread: Past,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the newest. [default: all that are kept]")
    ] = None,
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write one checkpoint a line, as JSON.")] = False,
) -> None:
    """List the points of a thread that it can go back to: id, time, next step, messages, the last of them.

    The newest comes first. `fork` makes a new thread from one, `resume --checkpoint` ends its turn once more.
    At the end of each turn old ones are deleted (VOICEGRAPH_CHECKPOINTS_KEPT).
    """
    asyncio.run(_checkpoints(caller_of(context), thread, limit, database, as_json=as_json))


def fork(
    context: typer.Context,
    thread: Past,
    checkpoint: Annotated[
        str,
        typer.Option("--checkpoint", metavar="ID", help="From where; the end of the id will do."),
    ],
    new: NewThread = None,
    memory: Annotated[
        Memory,
        typer.Option("--memory", help="Memory blocks as they are now, or copies of what they were then."),
    ] = Memory.CURRENT,
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write what was made as JSON.")] = False,
) -> None:
    """Make a new thread with all that was said on another one up to a checkpoint, and write its id.

    The old thread stays as it is. Tools with side effects that ran later in the turn are not run again: the
    new thread gets their results. With `--memory as_of` it gets an agent of its own, a copy of the old one
    with its blocks and archive as they were then; what either agent learns, the other does not see.
    """
    asyncio.run(_fork(caller_of(context), thread, checkpoint, new, memory, database, as_json=as_json))


def whole_id(table: "CheckpointTable", given: str) -> str:
    """Return the id of the checkpoint whose id ends in `given`, or `given` when there is not one such."""
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
    from .travelling import travelling

    async with travelling(url) as graph:
        actor = Actor(caller.organization, caller.user)
        table = await table_of(graph, thread, limit=limit, actor=actor)
    if as_json:
        sys.stdout.writelines(orjson.dumps(asdict(row)).decode() + "\n" for row in table)
        return
    cut = _SHORT if sys.stdout.isatty() else 0
    rows = [[row.id[-cut:], *cells(row)[1:]] for row in table]
    write_rows(TITLES, rows, nothing="No checkpoints: nothing was said on this thread by this program.")


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
    from .travelling import travelling

    actor = Actor(caller.organization, caller.user)
    async with travelling(url) as graph:
        place = whole_id(await table_of(graph, thread, actor=actor), checkpoint)
        made = await make_fork(graph, thread, place, new, memory=memory.value, actor=actor)
    fields = {"thread": made.thread_id, "agent": made.agent, "unfinished": made.unfinished}
    sys.stdout.write((orjson.dumps(fields).decode() if as_json else made.thread_id) + "\n")
    notes = console(errors=True)
    if made.unfinished:
        notes.print(f"End its turn with: voicegraph resume {made.thread_id}", style="dim")
    notes.print(f"Go on with: voicegraph say --thread {made.thread_id} TEXT", style="dim")
