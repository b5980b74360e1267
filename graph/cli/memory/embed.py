"""`voicegraph memory embed`: vectors for all that is searched, when an embedder or its model is new."""

import asyncio
from typing import Annotated

import typer

from ..terminal.options import Database


def embed(
    embedder: Annotated[
        str | None,
        typer.Option(
            "--embedder",
            metavar="NAME",
            help="openai:NAME or package.module:factory. [default: VOICEGRAPH_EMBEDDER]",
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Make the vectors of all agents and users of the database that are missing or of another model.

    Stop it whenever you like: the next one goes on from there. Until it is done searches use what is there.
    """
    asyncio.run(_embed(embedder, database))


async def _embed(embedder: str | None, url: str | None) -> None:
    from ....state.errors import InvalidSetting
    from ..terminal.output import console
    from ..terminal.storage import searching

    out, progress = console(errors=False), console(errors=True)
    async with searching(url, embedder) as store:
        if not store.embedding.on:
            raise InvalidSetting("there is no embedder: give --embedder or set VOICEGRAPH_EMBEDDER")
        await store.recall.index_due()
        await store.embedding.change_model()
        done = await store.embedding.embed_due(
            lambda done, left: progress.print(f"{done} embedded, {left} left …")
        )
    out.print(f"{done} vectors made; all is embedded.")
