"""`voicegraph memory archive`: texts stored beyond the memory blocks."""

import asyncio
from typing import Annotated

import typer

from ..terminal.options import Caller, Database, caller_of
from .blocks import Holder, read_input

_WHEN = "%Y-%m-%d %H:%M"


def archive(
    context: typer.Context,
    text: Annotated[
        str | None,
        typer.Argument(metavar="[TEXT]", help="Text to store; - reads stdin. [default: list]"),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be repeated.")
    ] = None,
    delete: Annotated[
        str | None, typer.Option("--delete", metavar="ID", help="Delete this passage instead.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Maximum number of passages to list, newest first.")
    ] = 20,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Store a text in the agent's archive; without one, list the passages: id, time, tags, text."""
    if text is not None and delete is not None:
        raise typer.BadParameter("give a text or --delete, not both")
    caller = caller_of(context)
    if delete is not None:
        asyncio.run(_delete(caller, delete, database))
    elif text is not None:
        words = read_input() if text == "-" else text
        asyncio.run(_keep(caller, agent, words, tag or [], database))
    else:
        asyncio.run(_list(caller, agent, limit, database))


async def _keep(caller: Caller, agent: str, text: str, tags: list[str], url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import console
    from ..terminal.storage import ensured_agent, writing

    actor = Actor(caller.organization, caller.user)
    async with writing(url) as store:
        agent_id = await ensured_agent(store, actor, agent)
        await store.passages.insert(actor, agent_id, text, tags=tags)
    console(errors=False).print("Stored. List the archive: voicegraph memory archive")


async def _delete(caller: Caller, passage_id: str, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import console
    from ..terminal.storage import reading

    async with reading(url) as store:
        await store.passages.delete(Actor(caller.organization, caller.user), passage_id)
        await store.recall.erase_deleted()
        await store.database.truncate_log()
    console(errors=False).print("Deleted.")


async def _list(caller: Caller, agent: str, limit: int, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import write_rows
    from ..terminal.storage import reading

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        agent_id = (await store.agents.get(actor, agent)).id
        passages = await store.passages.list(actor, agent_id, limit=limit)
    write_rows(
        ["passage", "when", "tags", "text"],
        [
            [each.id, f"{each.created_at.astimezone():{_WHEN}}", ", ".join(each.tags) or "-", each.text]
            for each in passages
        ],
        nothing="The archive is empty.",
    )
