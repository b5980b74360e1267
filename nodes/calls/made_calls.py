"""What a forked turn must not do again: tool calls that the first thread has made in it."""

from collections.abc import Collection, Sequence
from typing import Any, cast

from ...state.schema import MadeCall
from ..speech.preamble import HEARTBEAT, PREAMBLE
from ..tools.results.results import Outcome

OTHER_ARGUMENTS = (
    "Not run: this turn is a repetition, and in its first course the tool has run already, with other "
    "arguments. Tell the user, and ask before you run it once more."
)


def made_before(
    made: Sequence[MadeCall], names: Collection[str], arguments: dict[str, Any]
) -> tuple[Outcome, str] | None:
    """Return what came of the same call in the first course of the turn, `None` when the tool did not run.

    `names` are the tool's own and the one it is offered under: a turn that broke off noted the latter.
    With other arguments it is not run either: the model may word the same wish in another way.
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
