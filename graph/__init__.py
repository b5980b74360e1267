"""The public API: build the graph, draw it, run, stream, interrupt and resume its turns."""

from typing import TYPE_CHECKING

from ..state.lazy_names import lazy_names

if TYPE_CHECKING:
    from .pictures.block_diff import BlockDiff, diff_block
    from .pictures.draw import draw_ascii, draw_graph, draw_mermaid, draw_png, draw_svg
    from .pictures.picture import Picture, Plot
    from .pictures.plots import plot_latency, plot_window
    from .pictures.recorded import RecordedTurn
    from .pictures.turn_picture import draw_turn
    from .pictures.waterfall import plot_turn
    from .resources import Resources, open_resources, open_resources_sync
    from .settings import Settings, load_settings
    from .time_travel.checkpoint_table import (
        Checkpoint,
        CheckpointTable,
        checkpoints,
        list_checkpoints,
        prune,
    )
    from .time_travel.forking import Fork, fork
    from .turns.build_graph import build_graph
    from .turns.record import last_turn, record_turn
    from .turns.run import interrupt, resume_turn, stream_turn
    from .turns.turn_graph import TurnGraph

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
    "BlockDiff": "pictures.block_diff",
    "Checkpoint": "time_travel.checkpoint_table",
    "CheckpointTable": "time_travel.checkpoint_table",
    "Fork": "time_travel.forking",
    "Picture": "pictures.picture",
    "Plot": "pictures.picture",
    "RecordedTurn": "pictures.recorded",
    "Resources": "resources",
    "Settings": "settings",
    "TurnGraph": "turns.turn_graph",
    "build_graph": "turns.build_graph",
    "checkpoints": "time_travel.checkpoint_table",
    "diff_block": "pictures.block_diff",
    "draw_ascii": "pictures.draw",
    "draw_graph": "pictures.draw",
    "draw_mermaid": "pictures.draw",
    "draw_png": "pictures.draw",
    "draw_svg": "pictures.draw",
    "draw_turn": "pictures.turn_picture",
    "fork": "time_travel.forking",
    "interrupt": "turns.run",
    "last_turn": "turns.record",
    "list_checkpoints": "time_travel.checkpoint_table",
    "load_settings": "settings",
    "open_resources": "resources",
    "open_resources_sync": "resources",
    "plot_latency": "pictures.plots",
    "plot_turn": "pictures.waterfall",
    "plot_window": "pictures.plots",
    "prune": "time_travel.checkpoint_table",
    "record_turn": "turns.record",
    "resume_turn": "turns.run",
    "stream_turn": "turns.run",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
