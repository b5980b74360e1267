"""`voicegraph keys`: who may use the server."""

import asyncio
from typing import Annotated

import typer

from .terminal.options import Caller, Database, caller_of

commands = typer.Typer(help="Make, list and revoke the keys of the server.")

_WHEN = "%Y-%m-%d %H:%M"


@commands.command("create", epilog="Example: voicegraph --organization acme --user ada keys create phone")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    database: Database = None,
) -> None:
    """Make a key and print it, once: only its hash is kept.

    Whoever bears it acts for the user of the options --user and --organization, which stand before `keys`.
    """
    asyncio.run(_create(caller_of(context), name, database))


@commands.command("list", epilog="Example: voicegraph keys list --all")
def list_keys(
    context: typer.Context,
    everybody: Annotated[bool, typer.Option("--all", help="Of all users of all organizations.")] = False,
    database: Database = None,
) -> None:
    """List the keys, the oldest first: name, organization, user, when made, when revoked, id."""
    asyncio.run(_list(caller_of(context), database, everybody=everybody))


@commands.command("revoke", epilog="Example: voicegraph --organization acme --user ada keys revoke phone")
def revoke(
    context: typer.Context,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Its id or name, as `voicegraph keys list` shows it.")
    ],
    database: Database = None,
) -> None:
    """Let a key open nothing any more; running servers know it within seconds."""
    asyncio.run(_revoke(caller_of(context), key, database))


async def _create(caller: Caller, name: str, url: str | None) -> None:
    from ...state.agents.actors import Actor
    from .terminal.output import console, printable
    from .terminal.storage import writing

    async with writing(url) as store:
        key, secret = await store.keys.create(Actor(caller.organization, caller.user), name)
    # The secret alone, so that a script can keep it.
    console(errors=False).print(secret)
    console(errors=True).print(
        f"This is key '{printable(key.name)}' of user '{printable(caller.user)}' in organization "
        f"'{printable(caller.organization)}'. It is shown only now; revoke it with: "
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
        nothing="No keys yet. Make one with: voicegraph keys create NAME (those of others: keys list --all)",
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
            raise InvalidInput(f"{len(same_name)} keys are called '{named}': give the id of one of them")
        key = await store.keys.revoke(mine, *(same_name or [named]))
    console(errors=False).print(f"Key '{printable(key.name)}' is revoked.")
