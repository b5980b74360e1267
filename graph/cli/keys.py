"""`voicegraph keys`: manage the server's API keys."""

import asyncio
from typing import Annotated

import typer

from .terminal.options import Caller, Database, caller_of

commands = typer.Typer(help="Create, list and revoke the server's API keys.")

_WHEN = "%Y-%m-%d %H:%M"


@commands.command("create", epilog="Example: voicegraph --organization acme --user ada keys create phone")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name for the key.")],
    database: Database = None,
) -> None:
    """Create a key and print it once; only its hash is stored.

    Requests with it act for the user given by --organization and --user before `keys`.
    """
    asyncio.run(_create(caller_of(context), name, database))


@commands.command("list", epilog="Example: voicegraph keys list --all")
def list_keys(
    context: typer.Context,
    everybody: Annotated[
        bool, typer.Option("--all", help="List the keys of all users and organizations.")
    ] = False,
    database: Database = None,
) -> None:
    """List the keys, oldest first: name, organization, user, time created, time revoked, id."""
    asyncio.run(_list(caller_of(context), database, everybody=everybody))


@commands.command("revoke", epilog="Example: voicegraph --organization acme --user ada keys revoke phone")
def revoke(
    context: typer.Context,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Id or name of the key (see `voicegraph keys list`).")
    ],
    database: Database = None,
) -> None:
    """Revoke a key; running servers refuse it within seconds."""
    asyncio.run(_revoke(caller_of(context), key, database))


async def _create(caller: Caller, name: str, url: str | None) -> None:
    from ...state.agents.actors import Actor
    from .terminal.output import console, printable
    from .terminal.storage import writing

    async with writing(url) as store:
        key, secret = await store.keys.create(Actor(caller.organization, caller.user), name)
    # Only the secret on stdout, so that a script can store it.
    console(errors=False).print(secret)
    console(errors=True).print(
        f"Created key '{printable(key.name)}' of user '{printable(caller.user)}' in organization "
        f"'{printable(caller.organization)}'. It is shown only once. Revoke it with: "
        f"voicegraph --organization {printable(caller.organization)} --user {printable(caller.user)} "
        f"keys revoke {key.id}"
    )


async def _list(caller: Caller, url: str | None, *, everybody: bool) -> None:
    from ...state.agents.actors import Actor
    from ...state.agents.api_keys import every_key
    from .terminal.output import write_rows
    from .terminal.storage import reading

    async with reading(url) as store:
        mine = Actor(caller.organization, caller.user)
        found = await (every_key(store.database) if everybody else store.keys.list(mine))
    write_rows(
        ["name", "organization", "user", "made", "revoked", "id"],
        [
            [
                key.name,
                key.owner.organization_id,
                key.owner.user_id,
                f"{key.created_at.astimezone():{_WHEN}}",
                f"{key.revoked_at.astimezone():{_WHEN}}" if key.revoked_at else "-",
                key.id,
            ]
            for key in found
        ],
        nothing="No keys yet. Create one: voicegraph keys create NAME (other users' keys: keys list --all)",
    )


async def _revoke(caller: Caller, named: str, url: str | None) -> None:
    from ...state.agents.actors import Actor
    from ...state.errors import InvalidInput
    from .terminal.output import console, printable
    from .terminal.storage import reading

    mine = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        same_name = [key.id for key in await store.keys.list(mine) if key.name == named]
        if len(same_name) > 1:
            raise InvalidInput(f"{len(same_name)} keys are named '{named}': give an id")
        key = await store.keys.revoke(mine, *(same_name or [named]))
    console(errors=False).print(f"Key '{printable(key.name)}' revoked.")
