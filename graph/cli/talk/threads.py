"""`voicegraph threads`, `history` and `resume`: existing conversations."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from ..terminal.failures import FAILED
from ..terminal.options import AsJson, Caller, ConversationOptions, Database, Model, caller_of
from .time_travel import NewThread

if TYPE_CHECKING:
    from ....state.conversations.messages import StoredMessage

_WHEN = "%Y-%m-%d %H:%M"

Known = Annotated[str, typer.Argument(metavar="THREAD", help="The thread's id (see `voicegraph threads`).")]


def threads(
    context: typer.Context,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="Only threads of this agent.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Maximum number of threads.")] = 50,
    database: Database = None,
) -> None:
    """List the conversations, last used first: id, agent, number of messages, last use.

    "(cut off)" marks a last turn that a crash cut off; `voicegraph resume` completes it.
    """
    asyncio.run(_threads(caller_of(context), agent, limit, database))


def history(
    context: typer.Context,
    thread: Known,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Number of messages, counted from the end. [default: all]"),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Include drafts: a client's early guesses at the caller's words.")
    ] = False,
    database: Database = None,
) -> None:
    """Print a thread's messages and tool calls."""
    asyncio.run(_history(caller_of(context), thread, limit, all_, database))


def resume(
    context: typer.Context,
    thread: Known,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="ID",
            help="Resume from this checkpoint in a new thread. [default: the newest, in place]",
        ),
    ] = None,
    new: NewThread = None,
    model: Model = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Complete a turn that a crash cut off; the rest of the reply goes to stdout.

    With `--checkpoint` the turn runs again from there (see `voicegraph checkpoints`), in a new thread made as
    by `fork`; this one is not changed. Tools with side effects that ran later in the turn are not run again:
    their results are reused.
    """
    from .conversation import resume_once

    if new is not None and checkpoint is None:
        raise typer.BadParameter("--as needs --checkpoint: it names the new thread")
    options = ConversationOptions(caller=caller_of(context), thread=thread, model=model, url=database)
    if not resume_once(options, checkpoint, new, as_json=as_json):
        raise typer.Exit(FAILED)


async def _threads(caller: Caller, agent: str | None, limit: int, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import write_rows
    from ..terminal.storage import reading

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        agent_id = (await store.agents.get(actor, agent)).id if agent else None
        found = await store.threads.list(actor, agent_id=agent_id, limit=limit)
    write_rows(
        ["thread", "agent", "messages", "last used"],
        [
            [
                thread.id,
                thread.agent_name,
                str(thread.messages),
                f"{thread.updated_at.astimezone():{_WHEN}}{' (cut off)' if thread.cut_off else ''}",
            ]
            for thread in found
        ],
        nothing="No conversations yet. Start one with: voicegraph chat",
    )


async def _history(
    caller: Caller, thread: str, limit: int | None, with_drafts: bool, url: str | None
) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import console
    from ..terminal.storage import reading

    async with reading(url) as store:
        messages = await store.messages.history(
            Actor(caller.organization, caller.user), thread, limit=limit, withdrawn=with_drafts
        )
    screen = console(errors=False)
    for message in messages:
        for line in _lines(message):
            screen.print(line, style="dim" if message.role == "tool" else "")


def _lines(message: "StoredMessage") -> list[str]:
    from ....nodes.speech.preamble import PREAMBLE
    from ....state.conversations.ended_turns import CUT
    from ....state.search.neighbours import WITHDRAWN
    from ..terminal.output import printable, shown_arguments

    lead = f"{message.created_at.astimezone():{_WHEN}}  {message.role:<9}  "
    lines: list[str] = []
    if message.role == "tool":
        lines.append(f"{message.name}: {message.status}: {message.text}")
    elif message.heard or not message.tool_calls:
        lines.append(message.heard)
    for call in message.tool_calls or ():
        arguments = dict(call["args"])
        preamble = str(arguments.pop(PREAMBLE, ""))
        if preamble and message.spoken is None:  # Stored by an earlier version.
            lines.append(preamble)
        lines.append(f"calls {call['name']}({shown_arguments(arguments)})")
    if message.status == WITHDRAWN:
        lines.append("(a draft, withdrawn)")
    if message.status == CUT:
        lines.append("(cut off)")
    if message.unheard:
        lines.append(f"(not heard: {message.unheard})")
    return [lead + printable(line) for line in lines]
