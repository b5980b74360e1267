"""Which checkpoint the running step began with."""

from langgraph.runtime import get_runtime


def running_checkpoint() -> str | None:
    """Return the id of the checkpoint that the running step belongs to, `None` outside of steps."""
    try:
        info = get_runtime().execution_info
    except (KeyError, RuntimeError):
        return None
    return None if info is None else info.checkpoint_id
