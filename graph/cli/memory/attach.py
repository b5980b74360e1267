"""`voicegraph memory attach` and `detach`: which agents hold a block."""

import asyncio
from typing import Annotated

import typer

from ..terminal.options import Caller, Database, caller_of
from .blocks import Holder, Label


def attach(
    context: typer.Context,
    block: Annotated[str, typer.Argument(metavar="BLOCK", help="A block's label with --from, else its id.")],
    owner: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="The agent whose block it is.")
    ] = None,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Attach an existing block to an agent. The agents share it: each sees the other's changes."""
    asyncio.run(_attach(caller_of(context), agent, block, owner, database))


def detach(
    context: typer.Context,
    label: Label,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Detach a block from an agent. The block and its history stay, for other agents and for `attach`."""
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
    console(errors=False).print(f"Block '{shared.label}' ({shared.id}) attached to agent '{agent}'.")


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
        f"Detached. Attach it again: voicegraph memory attach {block.id} --agent {agent}"
    )
