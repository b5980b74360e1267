"""Settings from the environment (`VOICEGRAPH_...`), read once, at the edge."""

from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from ..nodes.limits import TurnLimits
from ..state.errors import InvalidSetting


class Settings(TurnLimits, BaseSettings):
    """All settings of a process; each may be set as `VOICEGRAPH_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="VOICEGRAPH_", frozen=True, extra="ignore")

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
    requests_per_minute: int | None = Field(None, ge=1)
    """Most requests of one user; `None` for any number."""
    allowed_tools: tuple[str, ...] = ()
    """Tools, as `package.module:function`, that agents made over HTTP may name beside the built-in ones."""
    database_connections: int = Field(20, ge=4)
    """Most connections of a process to PostgreSQL, beside two for its locks."""
    storage_patience: float = Field(60.0, ge=0)
    """How long storing a turn is tried again while PostgreSQL is away."""
    shutdown_seconds: float = 10.0
    """How long closing waits for turns and tools that are still running."""

    def url(self) -> str:
        """Return the database URL, the default file when none is set."""
        return self.database_url or f"sqlite:///{default_database_path()}"


def default_database_path() -> Path:
    """Return where memory is kept when nothing is said."""
    return user_data_path("voicegraph", appauthor=False) / "voicegraph.db"


def load_settings(**values: Any) -> Settings:
    """Return the settings; `values` that are not `None` win over the environment.

    Raises `InvalidSetting` that names the wrong setting.
    """
    try:
        return Settings(**{key: value for key, value in values.items() if value is not None})
    except SettingsError as error:
        raise InvalidSetting(f'{error}: lists are written as JSON, such as ["openai:gpt-4.1"]') from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in fault["loc"]) or "settings"
        raise InvalidSetting(f"the setting {name} is wrong: {fault['msg']}") from error
