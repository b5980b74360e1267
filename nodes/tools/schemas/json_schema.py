"""Reduce any JSON schema to the keywords that all providers support.

Schemas come from pydantic, from MCP servers and by hand. Booleans become objects, tuples become arrays,
references are inlined (only recursive ones stay), `oneOf` becomes `anyOf`, and `allOf` is merged where that
loses nothing.
"""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import unquote

from ...text.characters import whole_characters
from .schema_keywords import ARRAYS, BRANCHES, DROPPED, Schema, infer_type, keyword, kinds_of
from .schema_merging import merged, nullable, union

_MOST_PARTS = 20_000
"""Maximum number of schema parts read: inlining references can double them with each level."""
_DEEPEST = 60


class UnusableSchema(ValueError):
    """The arguments of a tool cannot be offered; the message says why."""


class SchemaReader:
    """Reads one schema. Afterwards `definitions` holds the recursive parts by name."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.definitions: dict[str, Schema] = {}
        self._root = root
        self._open: list[str] = []
        self._names: dict[str, str] = {}
        self._left = _MOST_PARTS
        self._depth = 0

    def root(self) -> Schema:
        """Return the whole schema in reduced form.

        Raises `UnusableSchema` if nothing can match it, for a dangling reference, and for an endless schema.
        """
        found = self._resolved("#", {})
        if found is None:
            raise UnusableSchema("no value can match them")
        return found

    def _read(self, schema: object) -> Schema | None:
        """Return a part of the schema in reduced form, `None` if nothing can match it."""
        self._left -= 1
        if self._left < 0 or self._depth > _DEEPEST:
            raise UnusableSchema("their schema is too large")
        if not isinstance(schema, Mapping):
            return None if schema is False else {}  # `true`, or not a schema.
        given = cast(Mapping[str, Any], schema)
        self._depth += 1
        own = self._own(given)
        found = own if "$ref" not in given else self._resolved(given["$ref"], own)
        self._depth -= 1
        return nullable(found) if found is not None and given.get("nullable") is True else found

    def _resolved(self, reference: object, own: Schema) -> Schema | None:
        if not isinstance(reference, str):
            raise UnusableSchema("a reference in their schema is not text")
        if reference not in self._open and self._names.get(reference) not in self.definitions:
            self._open.append(reference)
            found = self._read(self._find(reference))
            self._open.pop()
            if reference not in self._names:
                return None if found is None else _both(own, found)
            self.definitions[self._names[reference]] = found or {}  # It refers to itself.
        return {**own, "$ref": f"#/$defs/{self._name(reference)}"}

    def _name(self, reference: str) -> str:
        if reference not in self._names:
            end = "".join(c if c.isascii() and c.isalnum() else "_" for c in reference.rpartition("/")[2])
            taken = self._names.values()
            self._names[reference] = f"{end}_{len(self._names)}" if end in taken else end
        return self._names[reference]

    def _find(self, reference: str) -> object:
        """Resolve a JSON pointer such as `#/$defs/Point`."""
        place: object = self._root
        head, *parts = reference.split("/")
        for part in parts if head == "#" else [""]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(place, Mapping) and key in place:
                place = cast(Mapping[str, object], place)[key]
            elif isinstance(place, list) and key.isdecimal() and int(key) < len(cast(list[object], place)):
                place = cast(list[object], place)[int(key)]
            else:
                raise UnusableSchema(f"their schema refers to '{reference[:80]}', which it does not define")
        return place

    def _own(self, given: Mapping[str, Any]) -> Schema:
        """Return the schema's own keywords, next to a reference."""
        result: Schema = {}
        for name, value in given.items():
            if name not in DROPPED and name not in ARRAYS and name not in BRANCHES:
                self._keyword(str(name), value, result)
        if "properties" in result or "required" in result:
            _settle_required(given, result)
        infer_type(result)
        self._read_items(given, result)
        return self._read_branches(given, result)

    def _keyword(self, name: str, value: Any, result: Schema) -> None:
        if name == "properties":
            parts = cast(Mapping[object, Any], value if isinstance(value, Mapping) else {}).items()
            if not all(whole_characters(str(key)) == key for key, _ in parts):
                raise UnusableSchema("the name of one cannot be sent as text")
            read = {str(key): self._read(part) for key, part in parts}
            result[name] = {key: part for key, part in read.items() if part is not None}
        elif name == "additionalProperties":
            result[name] = False if (part := self._read(value)) is None else part or True
        elif name == "patternProperties":
            result.setdefault("additionalProperties", True)
        else:
            result.update(keyword(name, value))

    def _read_items(self, given: Mapping[str, Any], result: Schema) -> None:
        """Read an array's items; a tuple becomes an array of any of its elements, described in order."""
        items, first = given.get("items"), given.get("prefixItems")
        rest: object = given.get("additionalItems", True) if isinstance(items, list) else items
        if isinstance(items, list):
            first = cast(list[Any], items)
        if "type" not in result and (first or "items" in given):
            result["type"] = "array"
        if "array" not in kinds_of(result):
            return
        parts = [self._read(part) for part in cast(list[Any], first if isinstance(first, list) else [])]
        elements = [part or {} for part in parts]
        if elements:
            if rest is False or (rest is None and "maxItems" not in result):
                result.setdefault("maxItems", len(elements))
            order = ", ".join(" or ".join(kinds_of(part)) or "any" for part in elements)
            result["description"] = f"{result.get('description', '')} In this order: {order}.".strip()
        more = self._read(rest) if rest not in (None, True, False) else None
        result["items"] = union([*elements, *([] if more is None else [more])])

    def _read_branches(self, given: Mapping[str, Any], result: Schema) -> Schema:
        read: dict[str, list[Schema]] = {}
        for name in BRANCHES:
            value = given.get(name)
            parts = [self._read(part) for part in cast(list[Any], value if isinstance(value, list) else [])]
            read[name] = [part for part in parts if part is not None]
        for part in read["allOf"]:
            whole = merged(result, part)
            if whole is None:
                result["allOf"] = [*result.get("allOf", []), part]
            else:
                result = whole
        for name in ("anyOf", "oneOf"):
            if options := read[name]:
                whole = merged(result, options[0] if len(options) == 1 else {"anyOf": options})
                result = whole if whole is not None else {**result, name: options}
        return result


def _both(own: Schema, found: Schema) -> Schema:
    whole = merged(own, found)
    return {**own, "allOf": [found]} if whole is None else whole


def _settle_required(given: Mapping[str, Any], result: Schema) -> None:
    """Keep only existing properties in `required`, and add those marked individually in the old form."""
    parts: object = given.get("properties")
    old: list[str] = []
    for name, part in cast(Mapping[str, Any], parts if isinstance(parts, Mapping) else {}).items():
        if isinstance(part, Mapping) and cast(Mapping[str, Any], part).get("required") is True:
            old.append(str(name))
    properties: Schema = result.get("properties", {})
    if "properties" in result:
        names: list[str] = [*result.get("required", []), *old]
        result["required"] = [name for name in dict.fromkeys(names) if name in properties]
