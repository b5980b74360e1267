"""`voicegraph db`: maintain the database."""

import asyncio
from typing import Annotated

import typer

from .terminal.options import Database

commands = typer.Typer(help="Maintain the database.")


@commands.command("upgrade", epilog="Example: voicegraph db upgrade --db sqlite:///voice.db")
def upgrade(database: Database = None) -> None:
    """Upgrade the tables to the current schema; every start does this too. A missing file is created."""
    asyncio.run(_upgrade(database))


@commands.command(
    "copy",
    epilog="Example: voicegraph db copy sqlite:///voice.db postgresql://ada@db.example.com/voice",
)
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The URL of the database to read.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The URL of the database to fill.")],
) -> None:
    """Copy everything from one database to another: agents, memory, conversations, checkpoints, keys.

    First stop every process that uses FROM: what is said during the copy may be missed. TO must be empty, or
    hold an earlier copy: run the command again after an interruption, and it resumes; run it once more before
    you switch over, and it copies only what is new. FROM is not changed.

    Missing tables of TO are created; those of FROM must be up to date (voicegraph db upgrade). At the end the
    rows of both are counted and compared by checksum, and the search index of TO is built with the vectors of
    FROM. The exit code is 1 if anything differs.
    """
    from .database_copy import copy_database

    asyncio.run(copy_database(source, target))


async def _upgrade(url: str | None) -> None:
    from ...state.migrations.upgrade import upgrade
    from ...state.open import open_database
    from ..settings import load_settings
    from .terminal.output import console

    database = await open_database(url or load_settings().url(), migrate=False)
    try:
        before, after = await upgrade(database.location)
    finally:
        await database.close()
    done = "is up to date" if before == after else f"was upgraded from {before or 'an empty state'}"
    console(errors=False).print(f"The database {database.location.shown} {done} (revision {after}).")
