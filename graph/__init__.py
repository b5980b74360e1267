"""What people use: build the graph, run, stream, interrupt and resume its turns."""

from .build import build_graph
from .resources import Resources, open_resources, open_resources_sync
from .run import interrupt, resume_turn, stream_turn
from .settings import Settings, load_settings
from .turn_graph import TurnGraph

__all__ = [
    "Resources",
    "Settings",
    "TurnGraph",
    "build_graph",
    "interrupt",
    "load_settings",
    "open_resources",
    "open_resources_sync",
    "resume_turn",
    "stream_turn",
]
