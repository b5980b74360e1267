"""`voicegraph db`: the database itself."""

import asyncio

import typer

from .options import Database

commands = typer.Typer(help="Look after the database.")


@commands.command("upgrade", epilog="Example: voicegraph db upgrade --db sqlite:///voice.db")
def upgrade(database: Database = None) -> None:
    """Bring the tables up to date; every start does it too. The file is made when it is not there."""
    asyncio.run(_upgrade(database))


async def _upgrade(url: str | None) -> None:
    from ...state.database import open_database
    from ...state.upgrade import upgrade
    from ..settings import load_settings
    from .output import console

    database = await open_database(url or load_settings().url(), migrate=False)
    try:
        before, after = await upgrade(database)
    finally:
        await database.close()
    done = "is up to date" if before == after else f"was brought from {before or 'nothing'} up to date"
    console(errors=False).print(f"The database {database.location.shown} {done} (revision {after}).")
