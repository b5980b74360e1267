"""The stored id of a thread: a key made of its owner and its name, so that names are unique per user only.

Callers choose and see the name. Tables, checkpoints, leases and locks use the key.
"""

from collections.abc import Mapping
from typing import Any

from .actors import Actor

_DEFAULT = Actor()
_SEPARATOR = "\x1f"
"""Never part of an id or a name: control characters are refused there."""


def thread_key(actor: Actor, name: str) -> str:
    """Return the key of the actor's thread of this name; for the default actor it equals the name.

    A key of this actor is returned unchanged.
    """
    if actor == _DEFAULT:
        return name
    owner = f"{actor.organization_id}{_SEPARATOR}{actor.user_id}{_SEPARATOR}"
    return name if name.startswith(owner) else owner + name


def thread_name(key: str) -> str:
    """Return the name of the thread with this key; a name is returned unchanged."""
    return key if _SEPARATOR not in key else _parts(key)[-1]


def thread_owner(key: str) -> Actor:
    """Return the owner of the thread with this key."""
    organization, user, _ = _parts(key)
    return Actor(organization, user)


def key_of_call(call: Mapping[str, Any]) -> str:
    """Return the key of the thread given by a call's `thread_id`, `organization` and `user`."""
    return thread_key(actor_of_call(call), str(call.get("thread_id") or ""))


def actor_of_call(call: Mapping[str, Any]) -> Actor:
    """Return the actor given by a call's `organization` and `user`."""
    return Actor(str(call.get("organization", "default")), str(call.get("user", "default")))


def _parts(key: str) -> tuple[str, str, str]:
    parts = key.split(_SEPARATOR, 2)
    if len(parts) < 3:
        return _DEFAULT.organization_id, _DEFAULT.user_id, key
    return parts[0], parts[1], parts[2]
