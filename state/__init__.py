"""What is remembered: the graph's state, the database, checkpoints, and every error."""

from .actors import Actor
from .errors import VoicegraphError
from .schema import Turn, Usage, VoiceInput, VoiceOutput, VoiceState
from .store import Store, open_store

__all__ = [
    "Actor",
    "Store",
    "Turn",
    "Usage",
    "VoiceInput",
    "VoiceOutput",
    "VoiceState",
    "VoicegraphError",
    "open_store",
]
