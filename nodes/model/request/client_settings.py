"""Apply a client's model settings over those of the model and the agent."""

from collections.abc import Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel

_LIMITS = ("max_completion_tokens", "max_tokens")


def with_client_settings(
    settings: Mapping[str, Any], theirs: Mapping[str, Any], chat: BaseChatModel
) -> dict[str, Any]:
    """Return a request's settings with the client's; a length limit can only become lower.

    LangChain's classes for providers other than OpenAI use other names, except for `stop`.
    """
    if not theirs:
        return dict(settings)
    if type(chat).__module__.startswith("langchain_") and not speaks_openai(chat):
        theirs = {name: value for name, value in theirs.items() if name == "stop"}
    limits = [known[name] for known in (settings, theirs) for name in _LIMITS if name in known]
    merged = {name: value for name, value in {**settings, **theirs}.items() if name not in _LIMITS}
    return {**merged, "max_completion_tokens": min(limits)} if limits else merged


def with_format_in_body(settings: Mapping[str, Any], chat: BaseChatModel) -> dict[str, Any]:
    """Return the settings with the response format where LangChain only passes it on.

    Otherwise it would let the SDK parse the answer, which then refuses tools that are not strict.
    """
    wanted = settings.get("response_format")
    if not isinstance(wanted, Mapping) or not speaks_openai(chat):
        return dict(settings)
    others = {name: value for name, value in settings.items() if name != "response_format"}
    body: dict[str, Any] = {**(getattr(chat, "extra_body", None) or {}), "response_format": wanted}
    return {**others, "extra_body": body}


def speaks_openai(chat: BaseChatModel) -> bool:
    """Return whether a chat model is LangChain's own for OpenAI's protocol, or derived from it."""
    return any(kind.__name__ == "BaseChatOpenAI" for kind in type(chat).__mro__)
