"""The context of a run: the live objects that its steps use."""

from ...nodes.context import Context
from ...state.agents.actors import Actor
from ..resources import Resources
from ..threads.running import TurnRun


def live_context(
    resources: Resources,
    run: TurnRun,
    actor: Actor,
    thread_id: str,
    agent: str = "",
    *,
    resumed: bool = False,
    came_at: float = 0.0,
) -> Context:
    """Return the context of a run on the actor's thread; `agent` may be empty until it is known.

    `came_at` is when the request came, in seconds since the epoch.
    """
    settings = resources.settings
    return Context(
        store=resources.store,
        models=resources.models,
        toolbox=resources.toolbox,
        limits=settings,
        clock=resources.clock,
        speaker=run.speaker,
        background=resources.background,
        actor=actor,
        agent=agent,
        thread_id=thread_id,
        resumed=resumed,
        firm_at=came_at + settings.speculative_grace if run.history else 0.0,
        send=run.send,
        consolidate=resources.consolidator.wake,
        stop=run.stop,
        failed=run.errors.append,
    )
