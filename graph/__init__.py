"""What people use: build the graph, draw it, run, stream, interrupt and resume its turns."""

from typing import TYPE_CHECKING

from ..state.lazy_names import lazy_names

if TYPE_CHECKING:
    from .block_diff import BlockDiff, diff_block
    from .build_graph import build_graph
    from .checkpoint_table import Checkpoint, CheckpointTable, checkpoints, list_checkpoints, prune
    from .draw import draw_ascii, draw_graph, draw_mermaid, draw_png, draw_svg
    from .forking import Fork, fork
    from .pictures import Picture, Plot
    from .plots import plot_latency, plot_window
    from .record import last_turn, record_turn
    from .recorded import RecordedTurn
    from .resources import Resources, open_resources, open_resources_sync
    from .run import interrupt, resume_turn, stream_turn
    from .settings import Settings, load_settings
    from .turn_graph import TurnGraph
    from .turn_picture import draw_turn
    from .waterfall import plot_turn

__all__ = [
    "BlockDiff",
    "Checkpoint",
    "CheckpointTable",
    "Fork",
    "Picture",
    "Plot",
    "RecordedTurn",
    "Resources",
    "Settings",
    "TurnGraph",
    "build_graph",
    "checkpoints",
    "diff_block",
    "draw_ascii",
    "draw_graph",
    "draw_mermaid",
    "draw_png",
    "draw_svg",
    "draw_turn",
    "fork",
    "interrupt",
    "last_turn",
    "list_checkpoints",
    "load_settings",
    "open_resources",
    "open_resources_sync",
    "plot_latency",
    "plot_turn",
    "plot_window",
    "prune",
    "record_turn",
    "resume_turn",
    "stream_turn",
]

_HOMES = {
    "BlockDiff": "block_diff",
    "Checkpoint": "checkpoint_table",
    "CheckpointTable": "checkpoint_table",
    "Fork": "forking",
    "Picture": "pictures",
    "Plot": "pictures",
    "RecordedTurn": "recorded",
    "Resources": "resources",
    "Settings": "settings",
    "TurnGraph": "turn_graph",
    "build_graph": "build_graph",
    "checkpoints": "checkpoint_table",
    "diff_block": "block_diff",
    "draw_ascii": "draw",
    "draw_graph": "draw",
    "draw_mermaid": "draw",
    "draw_png": "draw",
    "draw_svg": "draw",
    "draw_turn": "turn_picture",
    "fork": "forking",
    "interrupt": "run",
    "last_turn": "record",
    "list_checkpoints": "checkpoint_table",
    "load_settings": "settings",
    "open_resources": "resources",
    "open_resources_sync": "resources",
    "plot_latency": "plots",
    "plot_turn": "waterfall",
    "plot_window": "plots",
    "prune": "checkpoint_table",
    "record_turn": "record",
    "resume_turn": "run",
    "stream_turn": "run",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
