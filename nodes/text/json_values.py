"""Type checks for values from other programs' JSON."""

from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Return whether the value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Return whether the value is a list."""
    return isinstance(value, list)


def object_of(value: object) -> dict[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if is_object(value) else {}


def list_of(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty one."""
    return value if is_list(value) else []
