"""The type of the fixture `open_voice`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from voicegraph.graph import Resources

OpenVoice = Callable[..., AbstractAsyncContextManager[Resources]]
"""Opens resources over the test's database, with a model; settings are given by name."""
