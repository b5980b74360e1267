"""`voicegraph memory embed`: compute vectors for a new embedder or embedding model."""

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
    """Compute the vectors that are missing or of another model, for all agents and users of the database.

    It can be stopped at any time: the next run resumes. Until it is done, searches use the existing vectors.
    """
    asyncio.run(_embed(embedder, database))


async def _embed(embedder: str | None, url: str | None) -> None:
    from ....state.errors import InvalidSetting
    from ..terminal.output import console
    from ..terminal.storage import searching

    out, progress = console(errors=False), console(errors=True)
    async with searching(url, embedder) as store:
        if not store.embedding.on:
            raise InvalidSetting("no embedder is set: give --embedder or set VOICEGRAPH_EMBEDDER")
        await store.recall.index_due()
        await store.embedding.change_model()
        done = await store.embedding.embed_due(
            lambda done, left: progress.print(f"{done} embedded, {left} left …")
        )
    out.print(f"{done} vectors computed; everything is embedded.")
