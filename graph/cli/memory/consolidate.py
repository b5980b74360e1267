"""`voicegraph memory consolidate`: run the background consolidation now."""

import asyncio
from typing import Annotated

import typer

from ..terminal.options import Caller, Database, caller_of
from .blocks import Holder


def consolidate(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="The memory model, such as openai:NAME.")
    ] = None,
    agent: Holder = "default",
    database: Database = None,
) -> None:
    """Read the messages that left the window, store what matters as passages and update the block."""
    asyncio.run(_consolidate(caller_of(context), agent, model, database))


async def _consolidate(caller: Caller, agent: str, model: str | None, url: str | None) -> None:
    from ....nodes.model.catalog import Models, default_model
    from ....state.agents.actors import Actor
    from ....state.open import open_locks
    from ...background.consolidate import Consolidator
    from ...settings import load_settings
    from ..terminal.output import console
    from ..terminal.storage import reading

    settings = load_settings(memory_model=model)
    actor = Actor(caller.organization, caller.user)
    out, progress = console(errors=False), console(errors=True)
    async with reading(url) as store, open_locks(store.database.location) as locks:
        agent_id = (await store.agents.get(actor, agent)).id
        models = Models(settings.model or default_model())
        try:
            done = await Consolidator(store, models, settings, locks).consolidate(
                actor, agent_id, lambda so_far: progress.print(f"{so_far} messages read …")
            )
        finally:
            await models.aclose()
        passages = await store.passages.count(actor, agent_id)
    out.print(f"{done} messages consolidated; the archive holds {passages} passages.")
