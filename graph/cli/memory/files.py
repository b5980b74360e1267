"""`voicegraph memory forget`, `export` and `import`: delete, export and import memory."""

import asyncio
import codecs
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from ..terminal.failures import FAILED, say_error
from ..terminal.options import Caller, Database, caller_of

if TYPE_CHECKING:
    from ....state.upkeep.forget import Forgotten


class What(StrEnum):
    """What can be forgotten."""

    USER = "user"
    AGENT = "agent"
    THREAD = "thread"


def forget(
    context: typer.Context,
    what: Annotated[What, typer.Argument(metavar="user|agent|thread", help="What to forget.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation prompt.")] = False,
    database: Database = None,
) -> None:
    """Erase a user, an agent or a conversation: every row, index entry and checkpoint.

    The output proves it: for each table, the number of matching rows before and after. The exit code is 1 if
    any is left. A user is erased with all agents, an agent with all its conversations and the blocks that no
    other agent holds. What the agent noted from a conversation stays in blocks and archive. Run it when no
    turn is running: a running turn would store its messages again.
    """
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        if not typer.confirm(f"Permanently forget {what} '{name}'?", err=True):
            raise typer.Exit(FAILED)
    if not asyncio.run(_forget(caller_of(context), what, name, database)):
        raise typer.Exit(FAILED)


def export(
    context: typer.Context,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="Export only this agent. [default: all]")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="File to write. [default: stdout]")
    ] = None,
    database: Database = None,
) -> None:
    """Export the memory as one JSON file.

    It holds agents, blocks with their history, threads with their messages, and passages; not checkpoints and
    search indexes, which are rebuilt. A file written by --out is readable by its owner only.
    """
    asyncio.run(_export(caller_of(context), agent, out, database))


def import_file(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file written by `export`; - reads stdin.")],
    database: Database = None,
) -> None:
    """Import a file written by `export`, for the same user or another one.

    Entries whose id exists are not changed, so importing twice adds nothing and an interrupted import can be
    completed. Ids are preserved; agents, blocks and passages whose id belongs to another user get a new id,
    the same each time. An agent whose name is taken gets a number appended. A conversation that is continued
    starts with an empty window: what was said is found by search. Import only files that you trust: they name
    the tools that an agent may call.
    """
    asyncio.run(_import(caller_of(context), file, database))


async def _forget(caller: Caller, what: What, name: str, url: str | None) -> bool:
    from ....state.agents.actors import Actor
    from ....state.open import open_checkpointer
    from ....state.upkeep.forget import forget_agent, forget_thread, forget_user
    from ..terminal.storage import reading

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store, open_checkpointer(store.database.location) as saver:
        match what:
            case What.USER:
                forgotten = await forget_user(store, saver, Actor(caller.organization, name))
            case What.AGENT:
                forgotten = await forget_agent(store, saver, actor, name)
            case What.THREAD:
                forgotten = await forget_thread(store, saver, actor, name)
    return _prove(forgotten, f"{what} '{name}'")


def _prove(forgotten: "Forgotten", shown: str) -> bool:
    from ..terminal.output import console, printable, write_rows

    counts = [(table, forgotten.before[table], left) for table, left in forgotten.left.items()]
    rows = [[table, str(before), str(left)] for table, before, left in counts if before or left]
    write_rows(["table", "rows before", "rows left"], rows, nothing="")
    left = sum(forgotten.left.values())
    if left:
        say_error(f"{left} rows of {shown} are left: stop its running turns, then run the command again")
    else:
        console(errors=True).print(
            f"Forgot the {printable(shown)}: nothing is left in {len(forgotten.left)} tables."
        )
    return forgotten.complete


async def _export(caller: Caller, agent: str | None, out: Path | None, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ....state.upkeep.export_memory import export_to
    from ..terminal.output import console
    from ..terminal.storage import reading

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        if out is None:
            sys.stdout.flush()
            await export_to(store, actor, sys.stdout.buffer.write, agent=agent)
            sys.stdout.buffer.flush()
            return
        with _private(out) as stream:
            done = await export_to(store, actor, stream.write, agent=agent)
    console(errors=True).print(f"{done.agents} agents and {done.blocks} blocks exported to {out}.")


@contextmanager
def _private(file: Path) -> Generator[IO[bytes]]:
    """Yield a file that only its owner can read; it appears at `file` complete, on success, or not at all."""
    from ....state.errors import InvalidInput

    part = file.with_name(f"{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            yield stream
        part.replace(file)
    except OSError as error:
        raise InvalidInput(f"the file {file} cannot be written: {error.strerror}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


async def _import(caller: Caller, file: str, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ....state.upkeep.importing.import_memory import import_memory
    from ....state.upkeep.memory_file import read_memory_file
    from ..terminal.output import console, printable
    from ..terminal.storage import writing

    content = read_memory_file(_read(file))
    async with writing(url) as store:
        done = await import_memory(store, Actor(caller.organization, caller.user), content)
    screen = console(errors=False)
    added = [f"{count} {what}" for what, count in done.added.items() if count]
    screen.print(f"Added: {', '.join(added)}." if added else "Nothing to add: everything exists already.")
    for old, new in done.renamed.items():
        screen.print(printable(f"'{old}' is imported as '{new}'."))


def _read(file: str) -> bytes:
    from ....state.errors import InvalidInput

    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InvalidInput(f"the file {file} cannot be read: {error.strerror}") from error
    return content.removeprefix(codecs.BOM_UTF8)
