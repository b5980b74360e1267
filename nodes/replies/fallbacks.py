"""The models of a request: the agent's own, then those that answer when it does not."""

import logging
from collections.abc import Sequence

from ...state.errors import InvalidSetting, MissingExtra
from ..context import ModelSource
from ..model.catalog import VoiceModel

log = logging.getLogger(__name__)


def usable_models(source: ModelSource, name: str | None, fallbacks: Sequence[str]) -> list[VoiceModel]:
    """Return the model of that name and the fallback models; those that cannot be used are left out.

    A fallback without a key, or with a proxy that is wrong, must not end turns that never need it. Raises
    `InvalidSetting` and `MissingExtra` for the first model.
    """
    models = [source.get(name)]
    for fallback in fallbacks:
        try:
            models.append(source.get(fallback))
        except (InvalidSetting, MissingExtra) as error:
            log.warning("a fallback model cannot be used", extra={"model": fallback, "error": str(error)})
    return models
