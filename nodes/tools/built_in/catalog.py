"""The built-in tools: those that every agent has, and those that an agent must name."""

from .clock import current_time
from .recall import recall_memory

COMMON_TOOLS = (current_time, recall_memory)
"""Tools that every agent has."""
BUILT_IN = {"memory_append": "memory", "memory_replace": "memory", "archive": "memory"}
"""Tools that an agent may name without a path, with their modules in this package."""
