"""Parts of a run's stream that do not come from LangGraph's own run, in its format."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessageChunk

from ...nodes.turn.events import Event, encode_event


def modes_of(options: Mapping[str, Any]) -> list[str]:
    """Return the stream modes that the options name."""
    wanted = options.get("stream_mode") or ()
    return [wanted] if isinstance(wanted, str) else list(wanted)


def carries_only_events(options: Mapping[str, Any]) -> bool:
    """Return whether a run with these options streams the mode `custom` alone."""
    return set(modes_of(options)) == {"custom"} and not options.get("print_mode")


def encoded(part: Any, options: Mapping[str, Any]) -> Any:
    """Return a part of a run's stream as it leaves the graph; `None` for an event that is not asked for."""
    return stream_part("custom", encode_event(part), options) if isinstance(part, Event) else part


def spoken_part(
    text: str, options: Mapping[str, Any], *, id: str | None = None, metadata: Mapping[str, Any] | None = None
) -> Any:
    """Return spoken text as a part of the stream mode `messages`, `None` if the run does not use it."""
    chunk = AIMessageChunk(content=text, id=id)
    return stream_part("messages", (chunk, {**(metadata or {}), "langgraph_node": "call_llm"}), options)


def stream_part(mode: str, data: Any, options: Mapping[str, Any]) -> Any:
    """Return `data` as a part of the stream mode `mode`, `None` if the run does not use that mode.

    `options` are those of the run.
    """
    if mode not in modes_of(options):
        return None
    if options.get("version") == "v2":
        return {"type": mode, "ns": (), "data": data}
    place = ((),) if options.get("subgraphs") else ()
    named = () if isinstance(options["stream_mode"], str) else (mode,)
    return (*place, *named, data) if place or named else data
