"""`voicegraph memory show`, `set`, `history`, `undo` and `redo`: the blocks of an agent."""

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.options import Caller, Database, caller_of

if TYPE_CHECKING:
    from ....state.agents.actors import Actor
    from ....state.agents.blocks import Block, BlockVersion
    from ....state.store import Store

_WHEN = "%Y-%m-%d %H:%M:%S"

Holder = Annotated[str, typer.Option("--agent", metavar="NAME", help="The agent's name or id.")]
Label = Annotated[str, typer.Argument(metavar="LABEL", help="The block's label, such as human.")]
Expected = Annotated[
    int | None,
    typer.Option("--expect", metavar="VERSION", help="Change nothing unless the block is at this version."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A block as given on the command line."""

    label: str
    text: str | None
    limit: int | None
    create: bool
    expect: int | None


def show(
    context: typer.Context,
    label: Annotated[
        str | None, typer.Argument(metavar="[LABEL]", help="Show only the text of this block.")
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", metavar="NUMBER", help="Show this version; needs a label.")
    ] = None,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Show the blocks in the agent's prompt: label, size and limit in characters, version."""
    asyncio.run(_show(caller_of(context), agent, label, version, database))


def set_block(
    context: typer.Context,
    label: Label,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="The new text; - reads stdin.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Maximum number of characters.")] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Create the block if the agent has none with this label.")
    ] = False,
    expect: Expected = None,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Set a block's text or limit. The previous text stays in the history."""
    if text is None and limit is None:
        raise typer.BadParameter("give a text or --limit")
    words = read_input() if text == "-" else text
    wanted = _Wanted(label=label, text=words, limit=limit, create=create, expect=expect)
    asyncio.run(_set(caller_of(context), agent, wanted, database))


def history(
    context: typer.Context,
    label: Label,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Maximum number of versions, newest first.")
    ] = 20,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """List a block's versions, newest first: number, time, author, change."""
    asyncio.run(_history(caller_of(context), agent, label, limit, database))


def undo(
    context: typer.Context,
    label: Label,
    expect: Expected = None,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Undo a block's last change; repeat to undo earlier ones. See `redo`."""
    asyncio.run(_step(caller_of(context), agent, label, expect, database, back=True))


def redo(
    context: typer.Context,
    label: Label,
    expect: Expected = None,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Redo the last undone change; not possible once the block has been changed."""
    asyncio.run(_step(caller_of(context), agent, label, expect, database, back=False))


def read_input() -> str:
    """Return the text of stdin without its final newline."""
    from ....state.errors import InvalidInput

    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").rstrip("\n")
    except UnicodeDecodeError:
        raise InvalidInput("the text is not valid UTF-8") from None


async def _show(caller: Caller, agent: str, label: str | None, version: int | None, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ....state.errors import InvalidInput
    from ..terminal.output import console, printable
    from ..terminal.storage import reading

    if label is None and version is not None:
        raise InvalidInput("--version needs the label of a block")
    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        memory = await store.agents.memory(actor, agent)
        if label is not None:
            block = await store.blocks.by_label(actor, memory.agent.id, label)
            value = block.value
            if version is not None:
                value = (await store.blocks.as_of(actor, block.id, version)).value
            sys.stdout.write((printable(value) if sys.stdout.isatty() else value) + "\n")
            return
    screen = console(errors=False)
    if not memory.blocks:
        console(errors=True).print("The agent has no blocks.")
    for number, block in enumerate(memory.blocks):
        screen.print(("\n" if number else "") + _title(block), style="bold")
        screen.print(printable(block.value))


def _title(block: "Block") -> str:
    return f"{block.label} ({len(block.value)} of {block.limit} characters, version {block.version})"


async def _set(caller: Caller, agent: str, wanted: "_Wanted", url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ....state.agents.blocks import DEFAULT_LIMIT
    from ....state.errors import BlockNotFound
    from ..terminal.output import console
    from ..terminal.storage import ensured_agent, writing

    actor = Actor(caller.organization, caller.user)
    async with writing(url) as store:
        agent_id = await ensured_agent(store, actor, agent)
        try:
            block = await store.blocks.by_label(actor, agent_id, wanted.label)
        except BlockNotFound:
            if not wanted.create:
                raise
            limit = wanted.limit or DEFAULT_LIMIT
            block = await store.blocks.create(
                actor, wanted.label, wanted.text or "", limit=limit, agent_id=agent_id
            )
        else:
            block = await _change(store, actor, block, wanted)
    console(errors=False).print(f"{_title(block)} set.")


async def _change(store: "Store", actor: "Actor", block: "Block", wanted: "_Wanted") -> "Block":
    """Set text and limit in whichever order keeps the text within the limit."""
    limit, expected = wanted.limit, wanted.expect
    if limit is not None and limit > block.limit:
        block = await store.blocks.resize(actor, block.id, limit, expected_version=expected)
    if wanted.text is not None:
        block = await store.blocks.write(actor, block.id, wanted.text, expected_version=expected)
        expected = block.version
    if limit is not None and limit < block.limit:
        block = await store.blocks.resize(actor, block.id, limit, expected_version=expected)
    return block


async def _history(caller: Caller, agent: str, label: str, limit: int, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import write_rows
    from ..terminal.storage import reading

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        agent_id = (await store.agents.get(actor, agent)).id
        block = await store.blocks.by_label(actor, agent_id, label)
        versions = await store.blocks.history(actor, block.id)
    write_rows(["version", "when", "who", "change"], _rows(versions)[:limit], nothing="")


def _rows(versions: "tuple[BlockVersion, ...]") -> list[list[str]]:
    from .text_diff import text_diff

    texts = ["", *(version.value for version in versions)]
    return [
        [
            str(version.version),
            f"{version.changed_at.astimezone():{_WHEN}}",
            version.changed_by,
            text_diff(before, version.value),
        ]
        for before, version in zip(texts, versions, strict=False)
    ][::-1]


async def _step(
    caller: Caller, agent: str, label: str, expect: int | None, url: str | None, *, back: bool
) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import console, printable
    from ..terminal.storage import reading
    from .text_diff import text_diff

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        agent_id = (await store.agents.get(actor, agent)).id
        before = await store.blocks.by_label(actor, agent_id, label)
        step = store.blocks.undo if back else store.blocks.redo
        # Shows this change even if another writer changes the block in between.
        block = await step(actor, before.id, expected_version=expect or before.version)
    screen = console(errors=False)
    screen.print(f"{_title(block)}: {printable(text_diff(before.value, block.value))}")
