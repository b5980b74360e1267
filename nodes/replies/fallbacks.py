"""The models of a request: the agent's own, then the fallbacks."""

import logging
from collections.abc import Sequence

from ...state.errors import InvalidSetting, MissingExtra
from ..context import ModelSource
from ..model.catalog import VoiceModel

log = logging.getLogger(__name__)


def usable_models(source: ModelSource, name: str | None, fallbacks: Sequence[str]) -> list[VoiceModel]:
    """Return the model with that name and the usable fallback models.

    A fallback without a key, or with an invalid proxy, must not fail turns that never need it. Raises
    `InvalidSetting` and `MissingExtra` for the first model.
    """
    models = [source.get(name)]
    for fallback in fallbacks:
        try:
            models.append(source.get(fallback))
        except (InvalidSetting, MissingExtra) as error:
            log.warning("a fallback model cannot be used", extra={"model": fallback, "error": str(error)})
    return models
