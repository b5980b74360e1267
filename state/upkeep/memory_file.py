"""The format of exported memory: JSON in UTF-8, described by these types.

Times are ISO 8601 with time zone. Version 1 stays readable: later additions will be optional.
"""

from typing import Any, Literal, TypeVar, cast

import jiter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ..conversations.message_rows import Role
from ..errors import InvalidInput
from .memory_json import MemoryJson

FORMAT = "voicegraph.memory"
VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Part = TypeVar("Part", bound=BaseModel)


class FileBlockVersion(_Part):
    """The text of a block at one version; `changed_by` is its author."""

    version: int
    value: str
    changed_by: str
    changed_at: AwareDatetime


class FileBlock(_Part):
    """A block with its history, versions 1, 2, ...; the last one is its text. `limit` in characters."""

    id: str = Field(pattern=r"^block-[0-9a-f]{32}$")
    label: str
    limit: int = Field(ge=1)
    versions: tuple[FileBlockVersion, ...] = Field(min_length=1)


class FileMessage(_Part):
    """A message; `sequence` orders all messages of an agent across threads."""

    sequence: int
    id: str
    turn_id: str
    role: Role
    text: str
    unheard: str | None = None
    spoken: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    status: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    created_at: AwareDatetime
    evicted_at: AwareDatetime | None = None
    consolidated_at: AwareDatetime | None = None


class FileThread(_Part):
    """A conversation with its messages, oldest first."""

    id: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    messages: tuple[FileMessage, ...] = ()


class FilePassage(_Part):
    """A passage of archival memory."""

    id: str
    text: str
    context: str | None = None
    tags: tuple[str, ...] = ()
    created_at: AwareDatetime


class FileAgent(_Part):
    """An agent; `blocks` are ids of blocks in this file, in prompt order."""

    id: str = Field(pattern=r"^agent-[0-9a-f]{32}$")
    name: str
    system: str | None = None
    model: str | None = None
    model_settings: dict[str, Any] = {}
    tools: tuple[str, ...] = ()
    time_zone: str = "UTC"
    created_at: AwareDatetime
    updated_at: AwareDatetime
    blocks: tuple[str, ...] = ()
    threads: tuple[FileThread, ...] = ()
    passages: tuple[FilePassage, ...] = ()


class MemoryFile(_Part):
    """Everything stored for a user, or for one agent, without API keys and without the user's identity."""

    format: Literal["voicegraph.memory"] = FORMAT
    version: Literal[1] = VERSION
    exported_at: AwareDatetime
    agents: tuple[FileAgent, ...]
    blocks: tuple[FileBlock, ...]

    def to_json(self) -> bytes:
        """Return the file's content, indented for people.

        It is encoded part by part: encoding it at once would hold Python's global lock, even in a thread.
        """
        content = bytearray()
        write_part(MemoryJson(content.extend), self)
        return bytes(content)


PARTS: dict[type[BaseModel], dict[str, type[BaseModel]]] = {
    MemoryFile: {"agents": FileAgent, "blocks": FileBlock},
    FileAgent: {"threads": FileThread, "passages": FilePassage},
    FileThread: {"messages": FileMessage},
    FileBlock: {"versions": FileBlockVersion},
}
"""The fields of a part that contain other parts; they are its last ones."""


def write_part(out: MemoryJson, part: BaseModel) -> None:
    """Write a part with everything that it contains."""
    inner = PARTS.get(type(part), {})
    out.begin_part(part, inner)
    for name in inner:
        out.begin_list(name)
        for each in getattr(part, name):
            write_part(out, each)
        out.end_list()
    out.end_part()


class _Head(BaseModel):
    format: str
    version: int


def read_memory_file(content: bytes) -> MemoryFile:
    """Return the contents of a file.

    Raises `InvalidInput`, which names the first fault without repeating the file's text.
    """
    try:
        head = _Head.model_validate_json(content)
    except ValidationError as error:
        raise InvalidInput(f"this is not a memory file: {_first_fault(error)}") from None
    if head.format != FORMAT:
        raise InvalidInput(f"this is not a memory file: its format is not '{FORMAT}'")
    if head.version != VERSION:
        raise InvalidInput(
            f"the memory file has version {head.version}, this voicegraph reads version {VERSION}: "
            "upgrade voicegraph"
        )
    try:
        # Unlike orjson, it does not turn integers of more than 64 bits into floats; they are refused later.
        data = jiter.from_json(content)
    except ValueError as error:
        raise InvalidInput(f"the memory file cannot be used: {error}") from None
    return _read(MemoryFile, data)


def _read(kind: type[Part], data: Any, place: tuple[int | str, ...] = ()) -> Part:
    """Return a part of the file; inner parts are read one by one, for the same reason as in `to_json`."""
    if isinstance(data, dict):
        data = {
            name: tuple(
                _read(PARTS[kind][name], each, (*place, name, at))
                for at, each in enumerate(cast(list[Any], value))
            )
            if name in PARTS.get(kind, ()) and isinstance(value, list)
            else value
            for name, value in cast(dict[str, Any], data).items()
        }
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(f"the memory file cannot be used: {_first_fault(error, place)}") from None


def _first_fault(error: ValidationError, within: tuple[int | str, ...] = ()) -> str:
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in (*within, *fault["loc"]))
    return f"{place}: {fault['msg']}" if place else fault["msg"]
