"""`voicegraph memory attach` and `detach`: which agents hold a block."""

import asyncio
from typing import Annotated

import typer

from ..terminal.options import Caller, Database, caller_of
from .blocks import Holder, Label


def attach(
    context: typer.Context,
    block: Annotated[
        str, typer.Argument(metavar="BLOCK", help="A label of the agent in --from, else a block's id.")
    ],
    owner: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="The agent that holds it already.")
    ] = None,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Let an agent hold a block that another one holds: what one of them changes, both know."""
    asyncio.run(_attach(caller_of(context), agent, block, owner, database))


def detach(
    context: typer.Context,
    label: Label,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Take a block from an agent. The block stays, with its history, for others and for `attach`."""
    asyncio.run(_detach(caller_of(context), agent, label, database))


async def _attach(caller: Caller, agent: str, block: str, owner: str | None, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import console
    from ..terminal.storage import ensured_agent, reading

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        if owner is None:
            shared = await store.blocks.get(actor, block)
        else:
            shared = await store.blocks.by_label(actor, (await store.agents.get(actor, owner)).id, block)
        await store.blocks.attach(actor, await ensured_agent(store, actor, agent), shared.id)
    console(errors=False).print(f"Agent '{agent}' holds the block '{shared.label}' ({shared.id}).")


async def _detach(caller: Caller, agent: str, label: str, url: str | None) -> None:
    from ....state.agents.actors import Actor
    from ..terminal.output import console
    from ..terminal.storage import reading

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        agent_id = (await store.agents.get(actor, agent)).id
        block = await store.blocks.by_label(actor, agent_id, label)
        await store.blocks.detach(actor, agent_id, block.id)
    console(errors=False).print(
        f"Detached. The block stays: voicegraph memory attach {block.id} --agent {agent}"
    )
