"""The memory agent: a separate model call that turns recalled messages into notes about the user."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable

from ..model.catalog import VoiceModel
from ..model.errors.model_errors import as_model_error
from ..text.enclosing import enclosed
from .merge_facts import OUTDATED

INSTRUCTIONS = """\
You maintain a voice assistant's notes about a person. You get the current notes, what the assistant \
wants to know, and old messages that a search found.

Rewrite the notes so that they include what these messages say about it:
- One fact per line: short, in plain words, with dates where they matter. At most {limit} characters in total.
- Keep every note that is still true. Add only what the messages say.
- For a note that is no longer true, write a line `{outdated} ` followed by that note, word for word.
- Answer with the notes only."""

# The call must not appear in any stream of the turn.
_DETACHED: Any = {"callbacks": [], "tags": ["nostream"]}


async def compose_notes(model: VoiceModel, notes: str, query: str, recalled: str, limit: int) -> str:
    """Return the model's notes (at most `limit` characters), from the old ones and the recalled messages.

    Raises `ModelError`. The answer is not checked: `merge_facts` decides what is stored.
    """
    answer = await ask_memory_model(
        model,
        model.chat,
        [
            SystemMessage(INSTRUCTIONS.format(limit=limit, outdated=OUTDATED)),
            HumanMessage(
                "\n\n".join(
                    [enclosed("notes", notes), enclosed("wanted", query), enclosed("messages", recalled)]
                )
            ),
        ],
    )
    return str(answer.text)


async def ask_memory_model(
    model: VoiceModel, chat: Runnable[Any, Any], messages: Sequence[BaseMessage]
) -> BaseMessage:
    """Return the model's answer, or raise `ModelError`; nothing is streamed.

    `chat` is the model's chat, with its tools bound.
    """
    try:
        return await chat.ainvoke(list(messages), _DETACHED, **model.settings)
    except Exception as error:
        raise as_model_error(error, model.name) from error
