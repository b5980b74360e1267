"""Everything stored: the graph's state, the database, checkpoints. Also every error."""

from typing import TYPE_CHECKING

from .lazy_names import lazy_names

if TYPE_CHECKING:
    from .agents.actors import Actor
    from .errors import VoicegraphError
    from .schema import Turn, VoiceInput, VoiceOutput, VoiceState
    from .store import Store, open_store
    from .usage import Usage

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

_HOMES = {
    "Actor": "agents.actors",
    "Store": "store",
    "Turn": "schema",
    "Usage": "usage",
    "VoiceInput": "schema",
    "VoiceOutput": "schema",
    "VoiceState": "schema",
    "VoicegraphError": "errors",
    "open_store": "store",
}

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
