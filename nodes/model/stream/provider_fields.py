"""A provider's own fields of a reply: reasoning, thought signatures, content blocks that are not text.

They go back to the provider with the reply, and are neither spoken nor stored as text. While a reply streams
they arrive in pieces, which are merged here.
"""

from collections.abc import Mapping
from typing import Any, cast

import orjson

from ...text.characters import whole_characters
from ...text.json_values import is_list, is_object

PROVIDER = "provider"
"""Key in a message's `additional_kwargs`: `model`, then `message` (fields by name), `blocks` (content blocks
in their order) and `calls` (fields by tool-call id), each only when it holds something."""
MOST_BLOCKS = 200
"""Maximum number of content blocks of a reply; if there are more, none is sent back."""
LONGEST = 200_000
"""Maximum characters of JSON stored for one reply; beyond that, reasoning texts are dropped."""

_TEXTS = frozenset({"text", "thinking", "summary", "reasoning", "reasoning_content", "reasoning_text"})
"""Keys whose texts arrive in pieces, and are dropped first if a reply has too much."""
_PIECES = _TEXTS | {"signature", "data", "encrypted_content"}


class ProviderFields:
    """The fields of one message, merged from its stream."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: list[Any] = []

    def add(
        self,
        fields: Mapping[str, Any] | None,
        blocks: tuple[Mapping[str, Any], ...] = (),
        whole: bool = False,
    ) -> None:
        """Add a piece; from a `whole` message, which repeats earlier pieces, only missing fields."""
        for name, value in (fields or {}).items():
            if name not in self._message:
                self._message[name] = _copied(value)
            elif not whole:
                self._message[name] = _merged(self._message[name], value, joins=_comes_in_pieces(name))
        if not (whole and self._blocks):
            for block in blocks:
                if len(self._blocks) <= MOST_BLOCKS:
                    _add_block(self._blocks, block)

    def data(self, model: str, calls: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any] | None:
        """Return all fields as plain JSON data, `None` without any; `calls` are the fields of the calls."""
        parts: dict[str, Any] = {
            "message": _plain(self._message),
            "blocks": _plain(self._blocks) if len(self._blocks) <= MOST_BLOCKS else [],
            "calls": _plain(calls or {}),
        }
        if _size(parts) > LONGEST:
            parts = {**parts, "message": _shortened(parts["message"]), "blocks": _shortened(parts["blocks"])}
        if _size(parts) > LONGEST:
            parts = {"calls": parts["calls"]}
        kept = {name: part for name, part in parts.items() if part}
        return {"model": model, **kept} if kept and _size(parts) <= LONGEST else None


def merged_fields(known: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the fields of a tool call updated with a later piece, which has whole values."""
    return cast(dict[str, Any], _merged(dict(known or {}), dict(new or {}), joins=False))


def _merged(known: Any, new: Any, *, joins: bool) -> Any:
    """Return `known` with `new` added; texts that come in pieces are joined."""
    if new is None or new == "":
        return known
    if isinstance(known, str) and isinstance(new, str):
        if not joins or not known:
            return new
        return known if len(known) > LONGEST else known + new
    if is_list(known) and is_list(new):
        for item in new:
            _add_block(known, item)
        return known
    if is_object(known) and is_object(new):
        for name, value in new.items():
            joined = name in _TEXTS or (name in _PIECES and known.get(name) != value)
            known[name] = _merged(known[name], value, joins=joined) if name in known else _copied(value)
        return known
    return _copied(new)


def _comes_in_pieces(name: str) -> bool:
    reasons = "reasoning" in name or "thinking" in name
    return name in _PIECES or (reasons and "signature" not in name)


def _add_block(blocks: list[Any], new: Any) -> None:
    """Add a block, or a piece of one: pieces share an index, or are consecutive and of the same type."""
    for known in reversed(blocks):
        if _is_piece_of(known, new, known is blocks[-1]):
            _merged(known, new, joins=True)
            return
    blocks.append(_copied(new))


def _is_piece_of(known: Any, new: Any, is_last: bool) -> bool:
    if not is_object(known) or not is_object(new):
        return False
    if any(new.get(name, known.get(name)) != known.get(name, new.get(name)) for name in ("type", "id")):
        return False
    if "index" in known and "index" in new:
        return known["index"] == new["index"]
    return is_last and bool(_TEXTS & new.keys() or new.get("signature")) and "data" not in new


def _copied(value: Any) -> Any:
    """Return a deep copy of the value, into which later pieces are merged."""
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in cast(Mapping[str, Any], value).items()}
    return list(map(_copied, value)) if is_list(value) else value


def _plain(value: Any) -> Any:
    """Return the value as JSON data, without what JSON cannot represent."""
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value).items()
        plain = {str(name): _plain(item) for name, item in items}
        return {name: item for name, item in plain.items() if item is not None}
    if is_list(value):
        return [item for item in map(_plain, value) if item is not None]
    if isinstance(value, str):
        return whole_characters(value)
    try:
        return orjson.loads(orjson.dumps(value))
    except (TypeError, ValueError):
        return None


def _shortened(value: Any) -> Any:
    """Return the value without reasoning texts; signatures and the like stay."""
    if is_object(value):
        kept = (
            (name, item) for name, item in value.items() if not (name in _TEXTS and isinstance(item, str))
        )
        return {name: _shortened(item) for name, item in kept}
    return list(map(_shortened, value)) if is_list(value) else value


def _size(parts: Mapping[str, Any]) -> int:
    return len(orjson.dumps(parts).decode()) if any(parts.values()) else 0
