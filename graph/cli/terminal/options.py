"""Options that several commands share."""

from dataclasses import dataclass
from typing import Annotated, cast

import typer

Thread = Annotated[
    str | None,
    typer.Option("--thread", metavar="ID", help="The thread to continue. [default: a new one]"),
]
Agent = Annotated[
    str | None,
    typer.Option(
        "--agent",
        metavar="NAME",
        help="The agent that answers. [default: the thread's agent, else 'default']",
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
AsJson = Annotated[bool, typer.Option("--json", help="Write one event per line, as JSON with a `type`.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Write all logs to stderr, including what is said.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Log only errors (for `serve`).")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user of the command line, stored in typer's context by the options before the command."""

    organization: str = "default"
    user: str = "default"
    verbose: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationOptions:
    """The conversation that a command names; `None` marks an omitted option."""

    caller: Caller
    thread: str | None = None
    agent: str | None = None
    model: str | None = None
    url: str | None = None


def caller_of(context: typer.Context) -> Caller:
    """Return the user of the command line."""
    return cast(Caller, context.obj)
