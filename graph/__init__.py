"""What people use: build the graph, draw it, run, stream, interrupt and resume its turns."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .build import build_graph
    from .draw import draw_ascii, draw_mermaid, draw_png, draw_svg
    from .resources import Resources, open_resources, open_resources_sync
    from .run import interrupt, resume_turn, stream_turn
    from .settings import Settings, load_settings
    from .turn_graph import TurnGraph

__all__ = [
    "Resources",
    "Settings",
    "TurnGraph",
    "build_graph",
    "draw_ascii",
    "draw_mermaid",
    "draw_png",
    "draw_svg",
    "interrupt",
    "load_settings",
    "open_resources",
    "open_resources_sync",
    "resume_turn",
    "stream_turn",
]

# LangGraph and SQLAlchemy take more than a second to import: `voicegraph --help` must not wait for them.
_HOMES = {
    "Resources": "resources",
    "Settings": "settings",
    "TurnGraph": "turn_graph",
    "build_graph": "build",
    "draw_ascii": "draw",
    "draw_mermaid": "draw",
    "draw_png": "draw",
    "draw_svg": "draw",
    "interrupt": "run",
    "load_settings": "settings",
    "open_resources": "resources",
    "open_resources_sync": "resources",
    "resume_turn": "run",
    "stream_turn": "run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*globals(), *__all__})
