"""Make parts of a run's stream outside LangGraph's own run, in its format."""

from collections.abc import Mapping
from typing import Any


def stream_part(mode: str, data: Any, options: Mapping[str, Any]) -> Any:
    """Return `data` as a part of the stream mode `mode`, `None` if the run does not use that mode.

    `options` are those of the run.
    """
    wanted = options.get("stream_mode")
    if wanted != mode and not (isinstance(wanted, list | tuple) and mode in wanted):
        return None
    if options.get("version") == "v2":
        return {"type": mode, "ns": (), "data": data}
    place = ((),) if options.get("subgraphs") else ()
    named = () if isinstance(wanted, str) else (mode,)
    return (*place, *named, data) if place or named else data
