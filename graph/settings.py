"""Settings from the environment (`VOICEGRAPH_...`), read once, at the edge."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import orjson
from platformdirs import user_data_path
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ..nodes.turn.limits import TurnLimits
from ..state.errors import InvalidSetting

_PREFIX = "VOICEGRAPH_"
_OFF = ("none", "off")


class Settings(TurnLimits, BaseSettings):
    """All settings of a process; each may be set as `VOICEGRAPH_` and its name in capitals.

    An empty variable is not set. `none` or `off` switches a setting off that may be `None`, and empties a
    list; other lists are written as JSON.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False
    )

    database_url: str | None = None
    """Where memory is kept; `None` for a SQLite file in the user's data folder."""
    model: str | None = None
    """Model of agents that name none; `None` for OpenAI's with a key, else the embedded one."""
    embedder: str | None = None
    """Model for vectors, `openai:NAME` or `package.module:factory`; `None` for a search by words alone."""
    embed_deadline: float = Field(1.0, gt=0)
    """Longest wait of a search for the vector of its query; then it searches by words alone."""
    max_body_bytes: int = Field(10_000_000, ge=1)
    """Largest body of a request that the server takes."""
    max_head_bytes: int = Field(65_536, ge=1_024)
    """Largest request line with headers."""
    head_seconds: float = Field(10.0, gt=0)
    """Longest time from the first byte of a request to the end of its headers."""
    body_seconds: float = Field(60.0, gt=0)
    """Longest time from there to the end of the body."""
    max_connections: int = Field(2_000, ge=10)
    """Connections of clients to one process of the server; on more than these a request is answered 503."""
    requests_per_minute: int | None = Field(None, ge=1)
    """Most requests of one user; `None` for any number."""
    turns_per_user: int | None = Field(200, ge=1)
    """Most turns of one user that run in one process at a time; `None` for any number."""
    local_names: tuple[str, ...] = ()
    """Host names, in small letters, that are this machine beside `localhost`, as long as there is no key."""
    allowed_tools: tuple[str, ...] = ()
    """Tools, as `package.module:function`, that agents made over HTTP may name beside the built-in ones."""
    database_connections: int = Field(20, ge=4)
    """Most connections of a process to PostgreSQL, beside two for its locks."""
    storage_patience: float = Field(60.0, ge=0)
    """How long storing a turn is tried again while PostgreSQL is away."""
    shutdown_seconds: float = Field(10.0, ge=0)
    """How long closing waits for turns and tools that are still running."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read values that are given in code, then environment variables."""
        return init_settings, _Environment(settings_cls)

    def url(self) -> str:
        """Return the database URL, the default file when none is set."""
        return self.database_url or f"sqlite:///{default_database_path()}"


def default_database_path() -> Path:
    """Return where memory is kept when nothing is said."""
    return user_data_path("voicegraph", appauthor=False) / "voicegraph.db"


def load_settings(**values: Any) -> Settings:
    """Return the settings; `values` that are not `None` win over the environment.

    Raises `InvalidSetting` that names the setting, or its environment variable.
    """
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise InvalidSetting(_what_is_wrong(fault["loc"], fault["msg"], given)) from error


def _what_is_wrong(place: tuple[int | str, ...], message: str, given: Mapping[str, Any]) -> str:
    """Return a line that calls each setting by its environment variable, unless it was `given`."""
    shown = {name: name if name in given else _variable(name) for name in Settings.model_fields}
    message = message.removeprefix("Value error, ")
    if not place:  # What several settings are together.
        return re.sub(r"\w+", lambda word: shown.get(word[0], word[0]), message)
    name = str(place[0])
    optional = " (none switches it off)" if _may_be_none(Settings.model_fields[name]) else ""
    return f"{shown[name]} is wrong: {message}{optional}"


class _Environment(PydanticBaseSettingsSource):
    """The settings that stand in environment variables, whatever the case of their names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: all fields are read at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values that are set; an empty one is not."""
        environment = {name.upper(): value.strip() for name, value in os.environ.items()}
        return {
            name: _parsed(name, field, text)
            for name, field in self.settings_cls.model_fields.items()
            if (text := environment.get(_variable(name)))
        }


def _parsed(name: str, field: FieldInfo, text: str) -> Any:
    """Return the value that a text stands for: pydantic makes numbers of texts by itself."""
    container = _container(field)
    if text.lower() in _OFF and _may_be_none(field):
        return None
    if container is None:
        return text
    if text.lower() in _OFF:
        return container()
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidSetting(
            f'{_variable(name)} is wrong: write a list as JSON, such as ["one", "two"]'
        ) from error


def _container(field: FieldInfo) -> type[Any] | None:
    """Return the type of a field that is written as JSON."""
    kinds = (get_origin(kind) for kind in (field.annotation, *get_args(field.annotation)))
    return next((kind for kind in kinds if kind in (tuple, list, dict)), None)


def _variable(name: str) -> str:
    return f"{_PREFIX}{name.upper()}"


def _may_be_none(field: FieldInfo) -> bool:
    return type(None) in get_args(field.annotation)
