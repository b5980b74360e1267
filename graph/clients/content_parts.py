"""Read the parts of a message's content, in the formats of OpenAI's and LangChain's APIs.

Texts are read, pictures and files are converted to the format of OpenAI's chat completions, and everything
that this API does not accept is described in words.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ...nodes.text.characters import whole_characters
from ...nodes.tools.results.result_text import result_text

_TEXTS = frozenset({"text", "input_text", "output_text", "refusal", "summary_text", "plaintext"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_text", "non_standard"})
_PICTURES = frozenset({"image_url", "input_image", "image"})
_FILES = frozenset({"file", "input_file", "document"})
_OTHERS = frozenset({"input_audio", "audio", "audio_url", "video", "video_url", "input_video", "tool_result"})
_KINDS = {"input_audio": "audio", "audio_url": "audio", "video_url": "video", "input_video": "video"}


@dataclass(frozen=True, slots=True)
class Content:
    """A message's text, and all its parts if the model gets more than text."""

    text: str
    parts: list[dict[str, Any]] | None = None


def read_content(content: Any) -> Content:
    """Return the text and parts of a user's content."""
    if isinstance(content, str):
        return Content(whole_characters(content))
    parts = [part for raw in _raw_parts(content) if (part := _part(raw)) is not None]
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    return Content(text, parts if any(part["type"] != "text" for part in parts) else None)


def spoken_words(content: Any) -> str:
    """Return only the text of a content, as for a reply: nothing else was spoken."""
    if isinstance(content, str):
        return whole_characters(content)
    return "\n".join(text for raw in _raw_parts(content) if (text := _words(raw)))


def result_words(content: Any) -> str:
    """Return a tool's result as text: message parts as their text, other data as JSON."""
    if isinstance(content, str):
        return whole_characters(content)
    return "" if content is None or content == [] else result_text(content)


def unsendable_part(content: Any) -> str | None:
    """Return why a content cannot be sent, for a developer; `None` if it can."""
    for number, raw in enumerate(_raw_parts(content), start=1):
        known = isinstance(raw, Mapping)
        kind = _kind(cast(Mapping[str, Any], raw)) if known else type(raw).__name__
        for value in _leaves(raw):
            if isinstance(value, bytes | bytearray | memoryview):
                return f"part {number} ('{kind}') contains bytes: give base64 text or a URL"
            if not (value is None or isinstance(value, str | int | float)):
                return (
                    f"part {number} ('{kind}') contains a {type(value).__name__}, which JSON cannot represent"
                )
    return None


def _raw_parts(content: Any) -> list[Any]:
    if content is None:
        return []
    return list(cast(list[Any], content)) if isinstance(content, list | tuple) else [content]


def _leaves(value: Any) -> Iterator[Any]:
    """Yield all values that are not collections, at any depth."""
    waiting, seen = [value], set[int]()
    while waiting:
        value = waiting.pop()
        if not isinstance(value, Mapping | list | tuple):
            yield value
        elif id(cast(Any, value)) not in seen:  # A Python object may contain itself.
            seen.add(id(cast(Any, value)))
            inner = cast(Any, value)
            waiting += inner.values() if isinstance(value, Mapping) else inner


def _part(raw: Any) -> dict[str, Any] | None:
    """Return a part in the format of chat completions, `None` for an empty one."""
    if (text := _words(raw)) is not None:
        return {"type": "text", "text": text} if text else None
    if raw is None or (kind := raw.get("type")) in _THOUGHTS:
        return None
    fields = cast(Mapping[str, Any], raw)
    shown = _picture(fields) if kind in _PICTURES else _file(fields) if kind in _FILES else None
    return shown or {"type": "text", "text": f"[{_kind(fields)}]"}


def _words(raw: Any) -> str | None:
    """Return the text of a part, `None` if it has none."""
    if isinstance(raw, str):
        return whole_characters(raw)
    if not isinstance(raw, Mapping):
        return None if raw is None else result_text(raw)
    fields = cast(Mapping[str, Any], raw)
    kind = fields.get("type")
    if kind in _THOUGHTS:
        return None
    text = _text_of(fields)
    if isinstance(text, str):
        return whole_characters(text)
    return None if isinstance(kind, str) else result_text(fields)


def _text_of(fields: Mapping[str, Any]) -> object:
    """Return the text of a part, or the transcript of its audio."""
    inner = (fields.get(key) for key in ("input_audio", "audio") if isinstance(fields.get(key), Mapping))
    text = fields.get("text")
    if isinstance(text, Mapping):  # From the Assistants API.
        text = cast(Mapping[str, Any], text).get("value")
    texts = [text, fields.get("refusal"), fields.get("transcript")]
    texts += [cast(Mapping[str, Any], sound).get("transcript") for sound in inner]
    return next((text for text in texts if isinstance(text, str)), None)


def _kind(fields: Mapping[str, Any]) -> str:
    """Return the kind of a part in a word of ours: its own type may be anything."""
    kind = fields.get("type")
    if not isinstance(kind, str):
        return "content"
    if kind in _PICTURES:
        return "image"
    return "file" if kind in _FILES else _KINDS.get(kind, kind if kind in _OTHERS | _TEXTS else "content")


def _picture(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a picture for chat completions, `None` for one that is only named or cannot be read."""
    named = fields.get("image_url")
    inner = cast(Mapping[str, Any], named if isinstance(named, Mapping) else {})
    url = _url(named if isinstance(named, str) else inner.get("url"), "image/") or _data_url(fields, "image/")
    if url is None:
        return None
    detail = inner.get("detail", fields.get("detail"))
    return {
        "type": "image_url",
        "image_url": {"url": url, **({"detail": detail} if detail in ("low", "high", "auto") else {})},
    }


def _file(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a file for chat completions, `None` for one at a URL, which they do not accept."""
    named = fields.get("file")
    inner = cast(Mapping[str, Any], named if isinstance(named, Mapping) else fields)
    known = {key: inner[key] for key in ("file_id", "file_data", "filename") if _is_text(inner.get(key))}
    if "file_id" not in known and "file_data" not in known:
        data = _data_url(fields, "")
        if data is None or not data.startswith("data:"):
            return None
        known["file_data"] = data
        known.setdefault("filename", "file")  # Required with the data.
    return {"type": "file", "file": {key: whole_characters(value) for key, value in known.items()}}


def _data_url(fields: Mapping[str, Any], kind: str) -> str | None:
    """Return the URL in a LangChain, Anthropic or MCP block, a `data:` URL for inline data."""
    source = fields.get("source")
    held = cast(Mapping[str, Any], source) if isinstance(source, Mapping) else fields
    if url := _url(held.get("url"), kind):
        return url
    data = next((held[key] for key in ("base64", "data") if _is_text(held.get(key))), None)
    types = (held.get(key) for key in ("mime_type", "media_type", "mimeType"))
    mime = next((name for name in types if _is_text(name)), f"{kind}png" if kind else "application/pdf")
    return None if data is None else whole_characters(f"data:{mime};base64,{data}")


def _url(value: object, kind: str) -> str | None:
    """Return a URL that a provider may fetch or read, `None` for anything else.

    A model server that fetches URLs must not be led to a local file, or to its network by `http`.
    """
    if not isinstance(value, str):
        return None
    url = whole_characters(value.strip())
    begin = url[:64].lower()
    held = url.partition(",")[2] if begin.startswith(f"data:{kind}") else ""
    return url if held or begin.startswith("https://") else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
