"""Content blocks in a tool's result: LangChain's, OpenAI's, Anthropic's and MCP's.

A record whose key `type` happens to be `document` or `file` is not a block: a block is recognized by all its
keys. Text blocks give their text; pictures, audio and files are described in words, since a result goes to
the model as text.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

Block = Mapping[str, Any]

_ANY = frozenset("type id index extras annotations citations cache_control meta _meta icons size".split())
"""Keys that any block may have."""
_MEDIA = frozenset("image audio video file image_url input_audio input_image input_file".split())
_MEDIA_KEYS = _ANY | frozenset(
    "source source_type data base64 url file_id mime_type mimeType media_type filename name title "
    "image_url input_audio file file_data file_url format detail metadata".split()
)
_RESOURCE_KEYS = _ANY | frozenset("uri name title description mimeType mime_type text blob".split())
_DOCUMENT_KEYS = _ANY | frozenset("source title context".split())
_BASE64 = re.compile(r"(?:data:[^,]{0,200},)?[A-Za-z0-9+/_\s-]*={0,2}\s*")


def block_text(part: object) -> str | None:
    """Return the text for a content block, `None` for anything else."""
    if not isinstance(part, Mapping):
        return None
    block = cast(Block, part)
    kind = block.get("type")
    if not isinstance(kind, str):
        return None
    if kind in _MEDIA:
        return _media(block, kind)
    read = _READERS.get(kind)
    return read(block) if read else None


def _text(block: Block) -> str | None:
    text = block.get("text")
    known = block.keys() <= _ANY | {"text", "mime_type", "title"}
    return text if known and isinstance(text, str) else None


def _media(block: Block, kind: str) -> str | None:
    """Describe a picture, audio or file in the block or in its nested source."""
    if not block.keys() <= _MEDIA_KEYS:
        return None
    fields: dict[str, Any] = dict(block)
    for value in block.values():
        fields.update(cast(Block, value) if isinstance(value, Mapping) else {})
    if isinstance(block.get("image_url"), str):
        fields["url"] = block["image_url"]
    data = next((fields[key] for key in ("base64", "data", "file_data") if key in fields), None)
    mime = _first(fields, "mime_type", "mimeType", "media_type", "format")
    place = _first(
        fields, "url", "file_id", "file_url", *(["id"] if fields.get("source_type") == "id" else [])
    )
    if data is None and place is None:
        return None
    if data is not None and (
        _size(data) is None or not (mime or "base64" in fields or "file_data" in fields)
    ):
        return None
    kind = kind.removeprefix("input_").removesuffix("_url")
    if place and place.startswith("data:"):
        place, data = None, place
    name = _first(fields, "filename", "title", "name")
    return _described(kind, name, mime, place, data)


def _document(block: Block) -> str | None:
    """Describe an Anthropic document, including its text."""
    source = block.get("source")
    if not (block.keys() <= _DOCUMENT_KEYS and isinstance(source, Mapping)):
        return None
    fields = cast(Block, source)
    title = _first(block, "title")
    if fields.get("type") == "text" and isinstance(fields.get("data"), str):
        return "\n".join(filter(None, [title, fields["data"]]))
    if fields.get("type") == "content":
        return _titled(title, fields.get("content"))
    if fields.get("type") not in ("base64", "url", "file"):
        return None
    place = _first(fields, "url", "file_id")
    return _described("document", title, _first(fields, "media_type"), place, fields.get("data"))


def _search_result(block: Block) -> str | None:
    if not block.keys() <= _ANY | {"source", "title", "content"} or not isinstance(block.get("source"), str):
        return None
    return _titled(f"{block.get('title') or ''} ({block['source']})".strip(), block.get("content"))


def _titled(title: str | None, content: object) -> str | None:
    """Return the text of blocks within a block."""
    if isinstance(content, str):
        return "\n".join(filter(None, [title, content]))
    if not isinstance(content, list) or not content:
        return None
    parts = [block_text(part) for part in cast(list[object], content)]
    return None if None in parts else "\n".join(filter(None, [title, *parts]))


def _resource(block: Block) -> str | None:
    """Return the text in an MCP resource, or a description of its bytes."""
    resource = block.get("resource")
    if not (block.keys() <= _ANY | {"resource"} and isinstance(resource, Mapping)):
        return None
    fields = cast(Block, resource)
    uri = _first(fields, "uri")
    if uri is None or not fields.keys() <= _RESOURCE_KEYS:
        return None
    if isinstance(fields.get("text"), str):
        return f"[resource, {uri}]\n{fields['text']}"
    return _described("resource", None, _first(fields, "mimeType", "mime_type"), uri, fields.get("blob"))


def _link(block: Block) -> str | None:
    uri = _first(block, "uri")
    if uri is None or not block.keys() <= _RESOURCE_KEYS:
        return None
    name, size = _first(block, "title", "name"), block.get("size")
    fields = _described("resource", name, _first(block, "mimeType", "mime_type"), uri, None)
    fields = f"{fields[:-1]}, {size:,} bytes]" if isinstance(size, int) else fields
    return ": ".join(filter(None, [fields, _first(block, "description")]))


_READERS: Mapping[str, Callable[[Block], str | None]] = {
    "text": _text,
    "text-plain": _text,
    "input_text": _text,
    "output_text": _text,
    "document": _document,
    "search_result": _search_result,
    "resource": _resource,
    "resource_link": _link,
}


def _first(block: Block, *names: str) -> str | None:
    return next((value for name in names if isinstance(value := block.get(name), str) and value), None)


def _size(data: object) -> int | None:
    """Return the number of bytes, `None` for anything but bytes and base64."""
    if isinstance(data, bytes | bytearray):
        return len(data)
    if not isinstance(data, str) or not _BASE64.fullmatch(data):
        return None
    digits = len(re.sub(r"[\s=]", "", data.rpartition(",")[2]))
    return digits * 3 // 4


def _described(kind: str, name: str | None, mime: str | None, place: str | None, data: object) -> str:
    size = None if data is None else _size(data)
    parts = [kind, name, mime, place, None if size is None else f"{size:,} bytes"]
    return f"[{', '.join(part for part in parts if part)}]"
