"""The type of the fixture `run` in the tests of tools."""

from collections.abc import Callable, Coroutine
from typing import Any

RunTool = Callable[..., Coroutine[Any, Any, tuple[str, str]]]
"""Runs a tool with arguments; returns the outcome and the text for the model."""
