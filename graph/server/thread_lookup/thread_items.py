"""Read what was said on a thread from its checkpoint, a running turn or the journal."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage

from ....nodes.window.matching.items import Item, our_items, spoken_words, their_items
from ....nodes.window.matching.same_conversation import ThreadItems
from ....nodes.window.matching.speculation import resembles, start_of_latest
from ....state.conversations.turn_journal import JournaledTurn
from ....state.schema import ClientMessage, LatestTurn
from ...threads.running import TurnRun
from ...turns.turn_config import config_of_key
from ...turns.turn_graph import TurnGraph


async def stored_items(graph: TurnGraph, thread_id: str) -> ThreadItems:
    """Return the items in the thread's last checkpoint."""
    values, resources = await _values(graph, thread_id), graph.resources
    window = _window(values)
    items, latest = our_items(window), cast(LatestTurn | None, values.get("latest"))
    calls = {
        call["id"] for message in window if isinstance(message, AIMessage) for call in message.tool_calls
    }
    found = ThreadItems(items=items, calls=frozenset(filter(None, calls)))
    if latest is None:
        return found
    settled = latest["started_at"] <= resources.clock.now() - resources.settings.settle_after
    return replace(
        found,
        told=latest.get("history_size"),
        newest=_last_words(items, start_of_latest(window, latest)),
        provisional=not settled and not latest.get("confirmed", False),
        dropped=not latest["whole"],
    )


async def running_items(graph: TurnGraph, run: TurnRun) -> ThreadItems:
    """Return the history that the running turn's request sent, and what was spoken since."""
    said = their_items(run.history)
    window = our_items(_window(await _values(graph, run.thread_id)))
    own = [item.words for item in window if item.own]
    items = [
        replace(item, own=item.own or (item.role == "assistant" and _is_one_of(item.words, own)))
        for item in _with_reply(run.history, run.speaker.spoken)
    ]
    return ThreadItems(
        items=items,
        told=len(said),
        holds_more=_holds_more(window, said),
        newest=_last_words(items),
        provisional=True,
        dropped=run.stop.requested,
    )


def _holds_more(window: Sequence[Item], said: Sequence[Item]) -> bool:
    """Return whether the window has user messages that the client's history lacks.

    A draft of the history's last message does not count.
    """
    told = {item.words for item in said}
    left = [item for item in window if item.role == "user" and item.words not in told]
    is_draft = left[-1:] == [item for item in window if item.role == "user"][-1:]
    if left and is_draft and said and resembles(left[-1].text, said[-1].text):
        left.pop()
    return bool(left)


async def journaled_items(graph: TurnGraph, turn: JournaledTurn) -> ThreadItems:
    """Return the items of a thread whose newest turn is only in the journal."""
    window = _window(await _values(graph, turn.thread_id))
    ids = {message.id for message in turn.messages}
    begin = next((place for place, message in enumerate(window) if message.id in ids), len(window))
    said = [ClientMessage(role="user", text=said.text) for said in turn.messages if said.role == "user"]
    items = [*our_items(window[:begin]), *_with_reply(said, turn.rest(""))]
    newest = _last_words(items) if said else None
    return ThreadItems(items=items, reconciled=False, newest=newest, provisional=True)


def _last_words(items: Sequence[Item], begin: int = 0) -> int | None:
    """Return the index of the last user message, `None` if it is before `begin`."""
    places = range(len(items) - 1, -1, -1)
    return next((i for i in places if items[i].role == "user" and items[i].begin >= begin), None)


def _with_reply(said: Sequence[ClientMessage], spoken: str) -> list[Item]:
    if not spoken_words(spoken):
        return their_items(said)
    *before, reply = their_items([*said, ClientMessage(role="assistant", text=spoken)])
    told = len(reply.texts) - 1
    return [*before, replace(reply, own=True, mine=(*[False] * told, True) if told else ())]


def _is_one_of(words: str, own: Sequence[str]) -> bool:
    return any(reply.startswith(words) for reply in own)


async def _values(graph: TurnGraph, thread_id: str) -> Mapping[str, Any]:
    return (await graph.aget_state(config_of_key(thread_id))).values


def _window(values: Mapping[str, Any]) -> Sequence[AnyMessage]:
    return values.get("messages", [])
