"""The stored id of a thread: a key made of its owner and its name, so that each user has names of their own.

What callers choose and see is the name. The key is what tables, checkpoints, leases and locks hold.
"""

from collections.abc import Mapping
from typing import Any

from .actors import Actor

_DEFAULT = Actor()
_SEPARATOR = "\x1f"
"""Stands in no id and no name: control characters are refused there."""


def thread_key(actor: Actor, name: str) -> str:
    """Return the key of the actor's thread of this name: of the default actor the name itself.

    A key of this actor is returned as it is.
    """
    if actor == _DEFAULT:
        return name
    owner = f"{actor.organization_id}{_SEPARATOR}{actor.user_id}{_SEPARATOR}"
    return name if name.startswith(owner) else owner + name


def thread_name(key: str) -> str:
    """Return the name of the thread with this key; a name is returned as it is."""
    return key if _SEPARATOR not in key else _parts(key)[-1]


def thread_owner(key: str) -> Actor:
    """Return the actor whose thread has this key."""
    organization, user, _ = _parts(key)
    return Actor(organization, user)


def key_of_call(call: Mapping[str, Any]) -> str:
    """Return the key of the thread that a call's `thread_id`, `organization` and `user` mean."""
    return thread_key(actor_of_call(call), str(call.get("thread_id") or ""))


def actor_of_call(call: Mapping[str, Any]) -> Actor:
    """Return the actor of a call's `organization` and `user`."""
    return Actor(str(call.get("organization", "default")), str(call.get("user", "default")))


def _parts(key: str) -> tuple[str, str, str]:
    parts = key.split(_SEPARATOR, 2)
    if len(parts) < 3:
        return _DEFAULT.organization_id, _DEFAULT.user_id, key
    return parts[0], parts[1], parts[2]
