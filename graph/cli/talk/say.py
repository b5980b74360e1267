"""`voicegraph say`: one turn, for scripts."""

from typing import Annotated

import typer

from ..terminal.failures import FAILED
from ..terminal.options import Agent, AsJson, ConversationOptions, Database, Model, Thread, caller_of
from ..terminal.streams import read_text


def say(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="The user's message; - reads stdin.")],
    thread: Thread = None,
    agent: Agent = None,
    model: Model = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Run one turn and print the reply; stdout gets nothing else."""
    from .conversation import say_once

    words = read_text() if text == "-" else text
    options = ConversationOptions(
        caller=caller_of(context), thread=thread, agent=agent, model=model, url=database
    )
    if not say_once(words, options, as_json=as_json):
        raise typer.Exit(FAILED)
