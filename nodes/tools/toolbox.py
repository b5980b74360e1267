"""The tools of a process and of each agent."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...state.errors import InvalidSetting
from .loading import ToolSource, load_tool
from .names import offered_names
from .registry import VoiceTool

log = logging.getLogger(__name__)

_MOST_SETS = 256


class Toolbox:
    """All tools of a process: some for every agent, others only for agents that name them.

    Raises `InvalidSetting` for anything but tools, and for two tools with one name.
    """

    def __init__(self, tools: Iterable[ToolSource] = ()) -> None:
        self._common = [load_tool(tool) for tool in tools]
        self._loaded: dict[str, VoiceTool] = {}
        self._sets: dict[tuple[str, ...], dict[str, VoiceTool]] = {}
        self.check(())

    def check(self, names: Sequence[str]) -> None:
        """Raise `InvalidSetting` unless an agent may have these tools in addition to the common ones."""
        found = {tool.name: tool for tool in self._common}
        for tool in [*self._common, *map(self._load, names)]:
            if found.setdefault(tool.name, tool).tool is not tool.tool:
                raise InvalidSetting(f"two tools are named '{tool.name}': rename one of them")

    def of_agent(self, names: Sequence[str]) -> dict[str, VoiceTool]:
        """Return the tools of an agent by offered name: the common ones, then its own.

        A tool that can no longer be used is left out, with a warning in the log: turns continue without it.
        """
        key = tuple(names)
        if key not in self._sets:
            if len(self._sets) >= _MOST_SETS:
                self._sets.clear()
            self._sets[key] = _offered(self._usable(key))
        return self._sets[key]

    def _usable(self, names: Sequence[str]) -> list[VoiceTool]:
        usable = list(self._common)
        for name in dict.fromkeys(names):
            try:
                tool = self._load(name)
                known = next((other for other in usable if other.name == tool.name), None)
                if known is not None and known.tool is not tool.tool:
                    raise InvalidSetting(f"another tool is named '{tool.name}'")
            except InvalidSetting as error:
                log.warning(
                    "a tool of an agent cannot be used; its turns continue without it",
                    extra={"tool": name, "error": str(error)},
                )
            else:
                usable += [tool] if known is None else []
        return usable

    def _load(self, path: str) -> VoiceTool:
        if path not in self._loaded:
            self._loaded[path] = load_tool(path)
        return self._loaded[path]


def _offered(tools: Sequence[VoiceTool]) -> dict[str, VoiceTool]:
    """Return the tools by unique legal names."""
    names = offered_names(tool.name for tool in tools)
    offered: dict[str, VoiceTool] = {}
    for tool in tools:
        name = names[tool.name]
        offered[name] = tool if tool.offered == name else replace(tool, offered=name)
    return offered
