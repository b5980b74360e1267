"""A tool's description for the model, in plain and in strict form, with the spoken preamble first."""

from typing import Any, cast

from langchain_core.tools import BaseTool, Tool
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from ...speech.preamble import HEARTBEAT, PREAMBLE
from ...text.characters import whole_characters
from .json_schema import SchemaReader, UnusableSchema
from .schema_keywords import Schema
from .schema_merging import as_arguments
from .strict_schema import strict_arguments

_PREAMBLE_SCHEMA = {
    "type": "string",
    "description": "One short sentence, spoken to the user at once, before the tool runs. "
    "Say what you are about to do, in the user's language.",
}
_LONGEST_DESCRIPTION = 1024
"""Maximum length that OpenAI accepts; it refuses any request with a longer one."""
_MOST_LEVELS = 3
"""Maximum nesting of recursive definitions shown in plain form."""
_NO_SCHEMA = "x-no-schema"


def read_arguments(tool: BaseTool, hidden: frozenset[str]) -> tuple[Schema, dict[str, Schema]]:
    """Return the schema of the model's arguments, and its recursive definitions by name.

    `hidden` arguments are injected. Raises `UnusableSchema`.
    """
    raw = _raw_schema(tool)
    if isinstance(raw.get("properties"), dict):
        given = cast(dict[str, Any], raw["properties"])
        offered = {name: part for name, part in given.items() if name not in hidden}
        for name, part in offered.items():
            if _without_schema(part):
                raise UnusableSchema(f"the type of '{name}' has none")
        raw = {**raw, "properties": offered}
    reader = SchemaReader(raw)
    arguments = as_arguments(reader.root(), reader.definitions)
    if arguments is None:
        raise UnusableSchema("they are not those of an object: give them names")
    return arguments, reader.definitions


def describe_tool(
    name: str, description: str, arguments: Schema, definitions: dict[str, Schema], *, strict: bool
) -> dict[str, Any] | None:
    """Return a tool's description for a request, in strict form or as plain JSON schema.

    `None` if strict form cannot express its arguments (a free-form mapping, say). Plain form expands
    recursive arguments until they repeat: not every provider accepts references.
    """
    own = {key: part for key, part in arguments["properties"].items() if key not in (PREAMBLE, HEARTBEAT)}
    required = [key for key in arguments["required"] if key in own]
    parameters: Schema | None = {
        **arguments,
        "properties": {PREAMBLE: _PREAMBLE_SCHEMA, **own},
        "required": [PREAMBLE, *required],
    }
    parameters = strict_arguments(parameters, definitions) if strict else _inlined(parameters, definitions)
    if parameters is None:
        return None
    description = whole_characters(description)
    if len(description) > _LONGEST_DESCRIPTION:
        description = f"{description[: _LONGEST_DESCRIPTION - 1]}…"
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": {**function, "strict": True} if strict else function}


def _inlined(schema: Any, definitions: dict[str, Schema], within: tuple[str, ...] = ()) -> Any:
    """Return the schema without references; a recursive one accepts anything."""
    if isinstance(schema, list):
        return [_inlined(part, definitions, within) for part in schema]  # pyright: ignore
    if not isinstance(schema, dict):
        return schema
    parts: Schema = dict(schema)  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(parts.get("$ref"), str):
        name = str(parts.pop("$ref")).rpartition("/")[2]
        if name in definitions and name not in within and len(within) < _MOST_LEVELS:
            parts = {**definitions[name], **parts}
            within = (*within, name)
    return {key: _inlined(part, definitions, within) for key, part in parts.items()}


class _Lenient(GenerateJsonSchema):
    """Marks types without a JSON schema, which matter only for arguments from the model."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {_NO_SCHEMA: error_info}


def _raw_schema(tool: BaseTool) -> dict[str, Any]:
    if (
        isinstance(tool, Tool) and not tool.args_schema
    ):  # It takes one string, to which LangChain gives this name.
        return {"properties": {"__arg1": {"type": "string"}}, "required": ["__arg1"]}
    model: Any = tool.args_schema if isinstance(tool.args_schema, dict) else tool.get_input_schema()
    if isinstance(model, dict):
        return model  # pyright: ignore[reportUnknownVariableType]
    if issubclass(model, BaseModel):
        return model.model_json_schema(schema_generator=_Lenient)
    return model.schema()  # A model of pydantic 1.


def _without_schema(part: Any) -> bool:
    if isinstance(part, dict):
        return _NO_SCHEMA in part or any(map(_without_schema, part.values()))  # pyright: ignore
    return isinstance(part, list) and any(map(_without_schema, part))  # pyright: ignore
