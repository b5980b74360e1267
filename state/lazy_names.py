"""Import the public names of a package on first use."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and `__dir__` of a package whose public names are defined in its modules.

    `homes` maps each name to its module. LangGraph, LangChain and SQLAlchemy take more than a second to
    import; commands that do not need them should not wait for them.
    """
    names = vars(sys.modules[package])

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value = getattr(import_module(f".{homes[name]}", package), name)
        names[name] = value
        return value

    def listed() -> list[str]:
        return sorted({*names, *homes})

    return find, listed
