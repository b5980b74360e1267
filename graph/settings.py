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
    """All settings of a process; each is set by the variable `VOICEGRAPH_` and its name in capitals.

    An empty variable counts as unset. `none` or `off` disables a setting that may be `None`, and empties a
    list; other lists are written as JSON.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, allow_inf_nan=False
    )

    database_url: str | None = None
    """The database URL; `None` for a SQLite file in the user's data folder."""
    model: str | None = None
    """Model of agents that name none; `None` for OpenAI's if a key is set, else the embedded one."""
    embedder: str | None = None
    """Model for vectors, `openai:NAME` or `package.module:factory`; `None` for a search by words alone."""
    embed_deadline: float = Field(default=1.0, gt=0)
    """Maximum time to wait for a query's vector; after that only words are searched."""
    max_body_bytes: int = Field(default=10_000_000, ge=1)
    """Maximum size of a request body."""
    max_head_bytes: int = Field(default=65_536, ge=1_024)
    """Maximum size of the request line and headers."""
    head_seconds: float = Field(default=10.0, gt=0)
    """Maximum time from the first byte of a request to the end of its headers."""
    body_seconds: float = Field(default=60.0, gt=0)
    """Maximum time from there to the end of the body."""
    max_connections: int = Field(default=2_000, ge=10)
    """Maximum number of client connections per server process; requests on further ones are answered 503."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Maximum number of requests per user; `None` for no limit."""
    turns_per_user: int | None = Field(default=200, ge=1)
    """Maximum number of concurrent turns per user and process; `None` for no limit."""
    local_names: tuple[str, ...] = ()
    """Lower-case host names, besides `localhost`, that mean this machine as long as no key exists."""
    allowed_tools: tuple[str, ...] = ()
    """Tools, as `package.module:function`, that agents created over HTTP may name, besides the built-in."""
    database_connections: int = Field(default=20, ge=4)
    """Maximum number of PostgreSQL connections per process, besides two for its locks."""
    storage_patience: float = Field(default=60.0, ge=0)
    """How long to retry storing a turn while PostgreSQL is unreachable."""
    shutdown_seconds: float = Field(default=10.0, ge=0)
    """How long closing waits for running turns and tools."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read values given in code, then environment variables."""
        return init_settings, _Environment(settings_cls)

    def url(self) -> str:
        """Return the database URL, that of the default file if none is set."""
        return self.database_url or f"sqlite:///{default_database_path()}"


def default_database_path() -> Path:
    """Return the path of the default database file."""
    return user_data_path("voicegraph", appauthor=False) / "voicegraph.db"


def load_settings(**values: Any) -> Settings:
    """Return the settings; `values` that are not `None` win over the environment.

    Raises `InvalidSetting` naming the setting, or its environment variable.
    """
    given = {key: value for key, value in values.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise InvalidSetting(_what_is_wrong(fault["loc"], fault["msg"], given)) from error


def _what_is_wrong(place: tuple[int | str, ...], message: str, given: Mapping[str, Any]) -> str:
    """Return one line that names each invalid setting by its environment variable, unless it was `given`."""
    shown = {name: name if name in given else _variable(name) for name in Settings.model_fields}
    message = message.removeprefix("Value error, ")
    if not place:  # The error concerns several settings together.
        return re.sub(r"\w+", lambda word: shown.get(word[0], word[0]), message)
    name = str(place[0])
    optional = " (none switches it off)" if _may_be_none(Settings.model_fields[name]) else ""
    return f"{shown[name]} is wrong: {message}{optional}"


class _Environment(PydanticBaseSettingsSource):
    """The settings from environment variables, case-insensitive."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: `__call__` reads all fields."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values that are set and not empty."""
        environment = {name.upper(): value.strip() for name, value in os.environ.items()}
        return {
            name: _parsed(name, field, text)
            for name, field in self.settings_cls.model_fields.items()
            if (text := environment.get(_variable(name)))
        }


def _parsed(name: str, field: FieldInfo, text: str) -> Any:
    """Return the value that a text represents; pydantic itself converts numbers."""
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
