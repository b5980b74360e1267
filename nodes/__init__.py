"""What a turn does: the five steps, and what they need."""

from .call_llm import call_llm
from .context import CallContext, Context
from .events import Event, Speech, ToolFinished, ToolRequested, ToolStarted, TurnFailed, TurnFinished
from .execute_tool import execute_tool
from .heartbeat import heartbeat
from .limits import TurnLimits
from .persist_and_trim import persist_and_trim
from .rebuild_memory import rebuild_memory
from .tools.registry import ToolCallInfo, current_call, voice_tool

__all__ = [
    "CallContext",
    "Context",
    "Event",
    "Speech",
    "ToolCallInfo",
    "ToolFinished",
    "ToolRequested",
    "ToolStarted",
    "TurnFailed",
    "TurnFinished",
    "TurnLimits",
    "call_llm",
    "current_call",
    "execute_tool",
    "heartbeat",
    "persist_and_trim",
    "rebuild_memory",
    "voice_tool",
]
