"""The options that several commands share."""

from dataclasses import dataclass
from typing import Annotated, cast

import typer

Thread = Annotated[
    str | None,
    typer.Option("--thread", metavar="ID", help="The conversation to go on with. [default: a new one]"),
]
Agent = Annotated[
    str | None,
    typer.Option(
        "--agent", metavar="NAME", help="Who answers. [default: the thread's agent, else 'default']"
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="openai:NAME or local:smollm2. [default: the agent's own, VOICEGRAPH_MODEL]",
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="sqlite:///FILE or postgresql://..., without a password, which other users would see. "
        "[default: VOICEGRAPH_DATABASE_URL, your data folder]",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write one event a line, as JSON with its `type`.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Write all logs to the error stream, with what is said.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Of a server's logs write errors alone.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who types the command; kept in typer's context by the options before the command."""

    organization: str = "default"
    user: str = "default"
    verbose: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The conversation that a command asks for; `None` is for what it left open."""

    caller: Caller
    thread: str | None = None
    agent: str | None = None
    model: str | None = None
    url: str | None = None


def caller_of(context: typer.Context) -> Caller:
    """Return who types the command."""
    return cast(Caller, context.obj)
