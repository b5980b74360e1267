"""`voicegraph chat`: talk with an agent at the keyboard."""

import typer

from ..terminal.options import Agent, ConversationOptions, Database, Model, Thread, caller_of


def chat(
    context: typer.Context,
    thread: Thread = None,
    agent: Agent = None,
    model: Model = None,
    database: Database = None,
) -> None:
    """Talk with an agent. Ctrl-C interrupts a reply, Ctrl-D ends the chat."""
    from .keyboard import converse

    converse(
        ConversationOptions(caller=caller_of(context), thread=thread, agent=agent, model=model, url=database)
    )
