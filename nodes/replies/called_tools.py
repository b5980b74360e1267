"""Find the tool that a model means by the name that it calls."""

from ...state.schema import Turn, VoiceState
from ..context import Context
from ..tools.names import acceptable_name, matching_name
from .client_tools import client_tools, own_name


def called_name(state: VoiceState, context: Context, turn: Turn, called: str) -> str:
    """Return the offered name of the tool that the model means, the agent's or the client's."""
    offered = {name: tool.name for name, tool in context.toolbox.of_agent(state["agent"]["tools"]).items()}
    for tool in client_tools(state, context, turn):
        name = tool["function"]["name"]
        offered[name] = own_name(turn, name)
    return matching_name(called, offered) or acceptable_name(called)
