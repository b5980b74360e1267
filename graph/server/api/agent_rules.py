"""Check what an agent may be given over HTTP: less than on the command line, whose user is trusted."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ....nodes.model.catalog import check_model_name
from ....nodes.tools.built_in.catalog import BUILT_IN
from ....state.errors import InvalidSetting
from ...resources import Resources

SAMPLING = frozenset(
    "frequency_penalty logit_bias max_completion_tokens max_tokens parallel_tool_calls presence_penalty "
    "reasoning_effort seed service_tier stop temperature top_p verbosity".split()
)
"""Model settings that change how a reply is generated, not where the request goes or which key it uses."""


async def check_agent(
    resources: Resources,
    *,
    model: str | None = None,
    model_settings: Mapping[str, Any] | None = None,
    tools: Sequence[str] = (),
) -> None:
    """Raise `InvalidSetting` for values that cannot be used, or not over HTTP.

    A tool's path is code that this process imports, so the operator must have allowed it.
    """
    if model is not None:
        check_model_name(model)
    _check_settings(model_settings or {})
    if tools:
        check_tools(resources, tools)
        # Imports allowed modules, which may read files.
        await asyncio.to_thread(resources.toolbox.check, tuple(tools))


def check_tools(resources: Resources, tools: Sequence[str]) -> None:
    """Raise `InvalidSetting` unless all of the tools may be named over HTTP."""
    allowed = {*BUILT_IN, *resources.settings.allowed_tools}
    if not allowed.issuperset(tools):
        raise InvalidSetting(
            f"over HTTP an agent may name only these tools: {', '.join(sorted(allowed))} "
            "(setting allowed_tools)"
        )


def _check_settings(settings: Mapping[str, Any]) -> None:
    if not SAMPLING.issuperset(settings):
        raise InvalidSetting(
            f"over HTTP an agent may have only these model settings: {', '.join(sorted(SAMPLING))}"
        )
    try:
        text = json.dumps(settings, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError):
        raise InvalidSetting("the model settings cannot be stored as JSON") from None
    if "\\u0000" in text:
        raise InvalidSetting("the model settings hold a NUL character")
