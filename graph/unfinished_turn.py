"""A turn that a crash left in the middle: go on with it, or close it before the next one."""

from typing import TYPE_CHECKING

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START

from ..nodes.context import Context
from ..state.errors import NothingToResume
from .held_thread import HeldThread

if TYPE_CHECKING:
    from .turn_graph import TurnGraph


async def go_on(graph: "TurnGraph", live: Context, config: RunnableConfig, held: HeldThread | None) -> None:
    """Make ready to go on with the turn.

    Raises `NothingToResume` when another process has ended it in between.
    """
    state = await graph.aget_state(config)
    if held is not None and not state.next:
        raise NothingToResume(f"the turn of thread '{live.thread_id}' has ended")
    values = state.values
    # Before its first step a turn waits as input: what is in the state is the one before.
    if "turn" in values and state.next != (START,):
        live.speaker.resume(values["turn"]["spoken"], values["turn"]["first_speech_at"])


async def close_crashed(
    graph: "TurnGraph", config: RunnableConfig, known: str, held: HeldThread | None
) -> None:
    """Keep what a crashed run had finished: new input would discard steps whose checkpoint is missing.

    Checkpoints of turns that were stored, on a thread that is new or has no messages, are those of a
    thread that was deleted, of which nothing may be said any more.
    """
    if held is not None and held.lease.head is None:
        return
    state = await graph.aget_state(config)
    deleted = known == "new" if held is None else not held.lease.facts.said
    if deleted and state.values.get("stored_through"):
        saver = graph.resources.checkpointer if held is None else held.saver
        await saver.adelete_thread(config.get("configurable", {})["thread_id"])
    elif state.next:
        await graph.aupdate_state(config, None, as_node=END)
