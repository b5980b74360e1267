"""Draw the graph locally, without network or browser."""

from typing import TYPE_CHECKING, Any

from ...state.errors import MissingExtra
from ..build import wire
from .picture import Picture

if TYPE_CHECKING:
    from langchain_core.runnables.graph import Graph
    from langgraph.graph.state import CompiledStateGraph

_WHY = {
    ("call_llm", "execute_tool"): "tool calls",
    # Broken into padded lines: a long label would stick out of the picture.
    ("call_llm", "persist_and_trim"): "finished,&nbsp;<br/>&nbsp;interrupted,&nbsp;<br/>&nbsp;failed",
    ("heartbeat", "rebuild_memory"): "go on",
    ("heartbeat", "persist_and_trim"): "interrupted",
}
"""Labels of the conditional edges."""

_LOOKS = {"config": {"theme": "neutral", "themeVariables": {"edgeLabelBackground": "#ffffff"}}}
"""Greys, with labels on white: readable in print."""


def draw_graph(graph: "CompiledStateGraph[Any, Any, Any, Any] | None" = None) -> Picture:
    """Return the graph as a picture for notebooks and files; `None` means the graph of a turn.

    Without the extra `viz` a notebook shows it as Mermaid text.
    """
    return Picture(draw_mermaid(graph))


def draw_mermaid(graph: "CompiledStateGraph[Any, Any, Any, Any] | None" = None) -> str:
    """Return the graph as Mermaid text; `None` means the graph of a turn."""
    return _drawing(graph).draw_mermaid(frontmatter_config=_LOOKS)


def draw_svg(graph: "CompiledStateGraph[Any, Any, Any, Any] | None" = None) -> str:
    """Return the graph as SVG. Raises `MissingExtra` without the extra `viz`."""
    return draw_graph(graph).svg()


def draw_png(graph: "CompiledStateGraph[Any, Any, Any, Any] | None" = None, *, width: int = 900) -> bytes:
    """Return the graph as a PNG file, `width` in pixels. Raises `MissingExtra` without the extra `viz`."""
    return draw_graph(graph).png(width=width)


def draw_ascii(graph: "CompiledStateGraph[Any, Any, Any, Any] | None" = None) -> str:
    """Return the graph in plain characters, without edge labels. Raises `MissingExtra` without `viz`."""
    drawing = _drawing(graph)
    try:
        import grandalf  # noqa: F401  # pyright: ignore[reportMissingTypeStubs, reportUnusedImport]
    except ImportError as error:
        raise MissingExtra("viz", "drawing in plain characters") from error
    return "\n".join(line.rstrip() for line in drawing.draw_ascii().splitlines())


def _drawing(graph: "CompiledStateGraph[Any, Any, Any, Any] | None") -> "Graph":
    """Return LangGraph's own drawing with labels on the known conditional edges."""
    drawing = (graph or wire().compile()).get_graph()
    drawing.edges[:] = [
        edge._replace(data=_WHY.get((edge.source, edge.target), edge.data)) for edge in drawing.edges
    ]
    return drawing
