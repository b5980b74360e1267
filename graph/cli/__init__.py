"""The command line interface `voicegraph`, the only package that prints.

Modules of this package import LangGraph and the database only inside their commands, so that `--help` is
quick.
"""

import gc
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

import typer

from . import agents, database, evaluate, keys
from .draw import draw
from .memory import commands as memory
from .serve import serve
from .talk.chat import chat
from .talk.say import say
from .talk.threads import history, resume, threads
from .talk.time_travel import checkpoints, fork
from .terminal.failures import INTERRUPTED, report
from .terminal.logs import set_logs
from .terminal.options import Caller, Quiet, Verbose
from .terminal.streams import flush_streams, open_streams

_EPILOG = (
    "Exit codes: 0 success; 1 the turn, the model or the database failed; 2 the command "
    "cannot be run as given (unknown thread, agent, model, tool or URL, an empty message); "
    "130 interrupted.\n\n"
    "Example: voicegraph say 'Hello, I am Ada.' --thread call-42"
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="A voice agent with memory: talk with it, inspect its conversations and memory, draw its graph.",
    epilog=_EPILOG,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"voicegraph {version('voicegraph')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    user: Annotated[
        str, typer.Option("--user", envvar="VOICEGRAPH_USER", help="The user to act for.")
    ] = "default",
    organization: Annotated[
        str,
        typer.Option(
            "--organization", envvar="VOICEGRAPH_ORGANIZATION", help="The organization of the user."
        ),
    ] = "default",
    verbose: Verbose = False,
    quiet: Quiet = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Read the options that precede the command."""
    set_logs(verbose=verbose)
    context.obj = Caller(
        organization=_unless_blank(context, "organization", organization),
        user=_unless_blank(context, "user", user),
        verbose=verbose,
        quiet=quiet,
    )


def _unless_blank(context: typer.Context, option: str, value: str) -> str:
    """Return an option's value; an environment variable that holds only blanks counts as unset."""
    source = context.get_parameter_source(option)
    from_variable = source is not None and source.name == "ENVIRONMENT"
    return (value.strip() or "default") if from_variable else value


app.command("chat", epilog="Example: voicegraph chat --thread call-42 --model openai:gpt-4.1-mini")(chat)
app.command("say", epilog="Example: voicegraph say 'What time is it?' --thread call-42 --json")(say)
app.command(
    "draw",
    epilog="Example: voicegraph draw --out graph.png, or: "
    "voicegraph draw --thread call-42 --last --out turn.svg",
)(draw)
app.command("threads", epilog="Example: voicegraph threads --agent default --limit 10")(threads)
app.command("history", epilog="Example: voicegraph history call-42")(history)
app.command(
    "resume",
    epilog="Example: voicegraph resume call-42, or: "
    "voicegraph resume call-42 --checkpoint 4f9e3c981a62 --as call-43",
)(resume)
app.command("checkpoints", epilog="Example: voicegraph checkpoints call-42 --limit 5")(checkpoints)
app.command("fork", epilog="Example: voicegraph fork call-42 --checkpoint 4f9e3c981a62 --as call-43")(fork)
app.command("serve", epilog="Example: voicegraph serve --port 8000 --model openai:gpt-4.1-mini")(serve)
app.add_typer(agents.commands, name="agents")
app.add_typer(memory.commands, name="memory")
app.add_typer(keys.commands, name="keys")
app.add_typer(database.commands, name="db")
app.add_typer(evaluate.commands, name="eval")


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end the process with its exit code; `arguments` default to `sys.argv`."""
    # Imported objects stay alive: collecting garbage at the default rate takes a fifth of the start-up time.
    gc.set_threshold(10_000, 20, 20)
    open_streams()
    # As `python -m` does, so that tools of the current folder are found; last, so that it hides nothing.
    with suppress(OSError):  # The current folder may have been deleted.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code: object = app(args=arguments or ["--help"], prog_name="voicegraph", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:  # The last place that can report an error.
        code = report(error)
    if code == INTERRUPTED:
        with suppress(OSError):
            sys.stderr.write("\n")
    flush_streams()
    sys.exit(code if isinstance(code, int) else 0)
