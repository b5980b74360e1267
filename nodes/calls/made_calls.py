"""Tool calls that a forked turn must not repeat, since the original thread has made them."""

from collections.abc import Collection, Sequence
from typing import Any, cast

from ...state.schema import MadeCall
from ..speech.preamble import HEARTBEAT, PREAMBLE
from ..tools.results.results import Outcome

OTHER_ARGUMENTS = (
    "Not run: this turn is being repeated, and the tool already ran the first time, with other arguments. "
    "Tell the user, and ask before you run it again."
)


def made_before(
    made: Sequence[MadeCall], names: Collection[str], arguments: dict[str, Any]
) -> tuple[Outcome, str] | None:
    """Return the outcome of the same call in the original turn, `None` if the tool did not run there.

    `names` are the tool's own and the one it is offered under, which a turn that broke off has recorded. With
    other arguments it is not run either: the model may express the same request differently.
    """
    of_tool = [call for call in made if call["tool"] in names]
    for call in of_tool:
        if _own(call["arguments"]) == _own(arguments):
            return cast(Outcome, call["outcome"]), call["result"]
    return ("cancelled", OTHER_ARGUMENTS) if of_tool else None


def _own(arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in arguments.items()
        if name not in (PREAMBLE, HEARTBEAT) and value is not None
    }
