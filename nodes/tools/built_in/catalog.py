"""The tools that come along: those of every agent, and those that an agent has when it names them."""

from .clock import current_time
from .recall import recall_memory

COMMON_TOOLS = (current_time, recall_memory)
"""Tools that every agent has."""
BUILT_IN = {"memory_append": "memory", "memory_replace": "memory", "archive": "memory"}
"""Tools that an agent may name without a path, and their modules in this package."""
