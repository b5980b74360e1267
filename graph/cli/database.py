"""`voicegraph db`: the database itself."""

import asyncio
from typing import Annotated

import typer

from .terminal.options import Database

commands = typer.Typer(help="Look after the database.")


@commands.command("upgrade", epilog="Example: voicegraph db upgrade --db sqlite:///voice.db")
def upgrade(database: Database = None) -> None:
    """Bring the tables up to date; every start does it too. The file is made when it is not there."""
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

    Stop whatever uses FROM first, since what is said meanwhile may be left behind. TO must be empty, or hold
    an earlier copy: run the command again after it was stopped, and it goes on from there; run it once more
    before you move over, and it takes along only what is new. FROM is left as it is.

    The tables of TO are made when they are not there; those of FROM must be up to date (voicegraph db
    upgrade). At the end the rows of both are counted and compared by checksum, and the search index of TO is
    made, with the vectors of FROM. Exit code 1 when anything differs.
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
    done = "is up to date" if before == after else f"was brought from {before or 'nothing'} up to date"
    console(errors=False).print(f"The database {database.location.shown} {done} (revision {after}).")
