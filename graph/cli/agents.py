"""`voicegraph agents`: list, show, create and delete agents."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from .terminal.failures import FAILED
from .terminal.options import Caller, Database, caller_of

commands = typer.Typer(help="List, show, create and delete agents.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The agent's name or id.")]


@commands.command("list", epilog="Example: voicegraph agents list")
def list_agents(context: typer.Context, database: Database = None) -> None:
    """List the agents, oldest first: name, model, tools, id."""
    asyncio.run(_list(caller_of(context), database))


@commands.command("show", epilog="Example: voicegraph agents show waiter")
def show(context: typer.Context, name: Name, database: Database = None) -> None:
    """Show an agent: its model, tools, instructions and memory blocks."""
    asyncio.run(_show(caller_of(context), name, database))


@commands.command(
    "create",
    epilog="Example: voicegraph agents create waiter --model openai:gpt-4.1-mini --tool menu:dishes "
    "--block persona='I am a waiter.' --time-zone Europe/Paris",
)
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent's name.")],
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME", help="openai:NAME or local:smollm2. [default: any]"),
    ] = None,
    system_file: Annotated[
        Path | None,
        typer.Option("--system-file", metavar="FILE", help="Its instructions. [default: built in]"),
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option(
            "--tool",
            metavar="TOOL",
            help="A tool it may call: module:function, memory_append, memory_replace or archive; "
            "may be repeated.",
        ),
    ] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(
            "--block",
            metavar="LABEL=TEXT",
            help="A memory block in addition to persona and human; may be repeated.",
        ),
    ] = None,
    time_zone: Annotated[
        str, typer.Option("--time-zone", metavar="ZONE", help="IANA time zone, such as Europe/Paris.")
    ] = "UTC",
    database: Database = None,
) -> None:
    """Create an agent. Tools are imported from Python's path or the current folder."""
    from .agent_store import NewAgent, create_agent

    wanted = NewAgent(
        name=name,
        model=model,
        system_file=system_file,
        tools=tuple(tool or ()),
        blocks=tuple(block or ()),
        time_zone=time_zone,
    )
    asyncio.run(create_agent(caller_of(context), wanted, database))


@commands.command("delete", epilog="Example: voicegraph agents delete waiter --yes")
def delete(
    context: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation prompt.")] = False,
    database: Database = None,
) -> None:
    """Delete an agent with its conversations and its memory."""
    from .agent_store import delete_agent

    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        if not typer.confirm(f"Delete agent '{name}' with all its conversations and memory?", err=True):
            raise typer.Exit(FAILED)
    asyncio.run(delete_agent(caller_of(context), name, database))


async def _list(caller: Caller, url: str | None) -> None:
    from ...state.agents.actors import Actor
    from .terminal.output import write_rows
    from .terminal.storage import reading

    async with reading(url) as store:
        found = await store.agents.list(Actor(caller.organization, caller.user))
    write_rows(
        ["agent", "model", "tools", "id"],
        [[agent.name, agent.model or "-", ", ".join(agent.tools) or "-", agent.id] for agent in found],
        nothing="No agents yet: the agent 'default' comes with the first conversation.",
    )


async def _show(caller: Caller, name: str, url: str | None) -> None:
    from ...state.agents.actors import Actor
    from .terminal.output import console, printable
    from .terminal.storage import reading

    actor = Actor(caller.organization, caller.user)
    async with reading(url) as store:
        memory = await store.agents.memory(actor, name)
        counts = await store.agents.counts(actor, memory.agent.id)
    agent, screen = memory.agent, console(errors=False)
    facts = {
        "name": agent.name,
        "id": agent.id,
        "model": agent.model or "(that of the process)",
        "tools": ", ".join(agent.tools) or "(only the clock)",
        "time zone": agent.time_zone,
        "messages": str(counts.messages),
        "passages": str(counts.passages),
    }
    for title, value in facts.items():
        screen.print(f"{title + ':':<11}{printable(value)}")
    screen.print("\ninstructions:", style="bold")
    screen.print(printable(agent.system or "(built in, for speech)"))
    for block in memory.blocks:
        screen.print(f"\nblock {block.label} ({len(block.value)} of {block.limit} characters):", style="bold")
        screen.print(printable(block.value))
