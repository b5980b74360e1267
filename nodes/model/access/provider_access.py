"""Read from the environment how to reach OpenAI's endpoint or a compatible one."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ....state.errors import InvalidSetting
from ...text.pasted_values import checked_token, checked_url, cleaned

log = logging.getLogger(__name__)

OPENAI_URL = "https://api.openai.com/v1"
_BASE_URLS = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
"""The first one set wins. The second is the older name, which LangChain itself prefers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIAccess:
    """The environment's values for OpenAI's endpoint, cleaned; `None` for those not set."""

    key: str | None
    base_url: str | None
    organization: str | None
    project: str | None

    @property
    def explicit_url(self) -> str | None:
        """The base URL; OpenAI's own if a variable is set but empty, which its library would use."""
        return self.base_url or (OPENAI_URL if any(name in os.environ for name in _BASE_URLS) else None)


def openai_access() -> OpenAIAccess:
    """Return how to reach OpenAI's endpoint; an empty variable counts as unset.

    Raises `InvalidSetting` for a value that cannot be used.
    """
    urls = [url for name in _BASE_URLS if (url := cleaned(os.environ.get(name, "")))]
    if len({url.rstrip("/") for url in urls}) > 1:
        _warn_of_two_urls()
    return OpenAIAccess(
        key=_first(checked_token, "OPENAI_API_KEY"),
        base_url=_first(checked_url, *_BASE_URLS),
        organization=_first(checked_token, "OPENAI_ORG_ID", "OPENAI_ORGANIZATION"),
        project=_first(checked_token, "OPENAI_PROJECT_ID", "OPENAI_PROJECT"),
    )


def has_openai_access() -> bool:
    """Return whether a key or a server is set, valid or not."""
    return any(cleaned(os.environ.get(name, "")) for name in ("OPENAI_API_KEY", *_BASE_URLS))


def required_openai_access(name: str) -> OpenAIAccess:
    """Return how to reach the model `name`; raise `InvalidSetting` without a key or a server."""
    if not has_openai_access():
        raise InvalidSetting(
            f"'{name}' needs a key: set OPENAI_API_KEY (or OPENAI_BASE_URL for your own server)"
        )
    return openai_access()


def _first(checked: Callable[[str, str], str], *variables: str) -> str | None:
    """Return the validated value of the first variable that is set."""
    for variable in variables:
        text = os.environ.get(variable, "")
        if cleaned(text):
            return checked(variable, text)
    return None


@cache
def _warn_of_two_urls() -> None:
    log.warning("OPENAI_BASE_URL and OPENAI_API_BASE differ: OPENAI_BASE_URL is used")
