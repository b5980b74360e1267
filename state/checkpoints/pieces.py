"""Checkpoints as rows: messages and long texts are stored once per thread, and checkpoints refer to them.

Each checkpoint of a turn contains the whole window, which differs from the previous one by a message or two.
Its large parts are replaced by references to pieces, which are identified by the hash of their content.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, cast
from zlib import DEFLATED, compressobj, decompress

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.base import SerializerProtocol

DIGEST = 8
"""Bytes of a hash; a collision between two pieces of a thread is not to be expected."""

_LONG = 256
"""Texts longer than this many characters become pieces."""
_DEEPEST = 4
"""Maximum nesting of dicts and lists that is searched for pieces."""
_FAST = 1
"""The compression level of zlib: half of a checkpoint is names of channels and steps, which repeat."""
_WINDOW_BITS, _MEMORY_LEVEL = 12, 5
"""4 kB are enough for a checkpoint; zlib's default allocates 256 kB each time, which takes longer."""
_SMALL = 700
"""Bodies of at most as many bytes are not compressed: it takes longer than all else and saves little."""
_LIST_OF_TWO = b"\x92"
"""What a body in MessagePack begins with; zlib's streams begin otherwise."""
_PLAIN = {int, float, bool, type(None)}

OfObject = dict[int, tuple[Any, bytes]]
"""The hashes of objects, by the object's id; an entry keeps its object alive."""
Place = tuple[list[Any], int]
"""The path to a value, and its number of pieces: -1 for a single piece, otherwise the length of a list."""


@dataclass(slots=True)
class Known:
    """The stored pieces of a thread that this process knows, and the objects that they were made of."""

    stored: set[bytes] = field(default_factory=set[bytes])
    of_object: OfObject = field(default_factory=OfObject)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded value: its body without pieces, the hashes of the pieces in order, and pieces to store."""

    body: bytes
    digests: bytes
    new: dict[bytes, bytes]


def encode(value: Any, serde: SerializerProtocol, known: Known) -> Encoded:
    """Return `value`, made of plain data and messages, with its pieces replaced by references."""
    cutting = _Cutting(serde, known)
    left = cutting.reduced(value, [])
    body = _packed(serde.dumps_typed([left, cutting.places])[1])
    return Encoded(body, b"".join(cutting.digests), cutting.new)


class _Cutting:
    """The pieces of one value, in the order in which they are found."""

    def __init__(self, serde: SerializerProtocol, known: Known) -> None:
        self.places: list[Place] = []
        self.digests: list[bytes] = []
        self.new: dict[bytes, bytes] = {}
        self._serde, self._known = serde, known

    def reduced(self, value: Any, path: list[Any]) -> Any:
        """Return `value` without its pieces."""
        if _is_piece(value):
            self.places.append((path, -1))
            self._cut(value)
            return None
        if _is(dict, value) and len(path) < _DEEPEST:
            return {key: self._below(each, path, key) for key, each in value.items()}
        if not _is(list, value) or not value:
            return value
        if all(id(each) in self._known.of_object or _is_piece(each) for each in value):
            self.places.append((path, len(value)))
            for each in value:
                self._cut(each)
            return None
        if all(_is(dict, each) for each in value):
            return [self._below(each, path, number) for number, each in enumerate(value)]
        return value

    def _below(self, value: Any, path: list[Any], key: Any) -> Any:
        # Most values are numbers and short texts; this is called for each of every checkpoint.
        if type(value) in _PLAIN or (type(value) is str and len(value) <= _LONG):
            return value
        return self.reduced(value, [*path, key])

    def _cut(self, piece: Any) -> None:
        known = self._known
        found = known.of_object.get(id(piece))
        if found is None or found[0] is not piece:
            content = self._serde.dumps_typed(piece)[1]
            digest = blake2b(content, digest_size=DIGEST).digest()
            known.of_object[id(piece)] = piece, digest
            if digest not in known.stored:
                self.new[digest] = content
        else:
            digest = found[1]
        self.digests.append(digest)


def decode(body: bytes, digests: bytes, pieces: Mapping[bytes, bytes], serde: SerializerProtocol) -> Any:
    """Return the encoded value; pieces that were deleted in the meantime are left out."""
    value, places = serde.loads_typed(("msgpack", body if body[:1] == _LIST_OF_TWO else decompress(body)))
    waiting = iter(digests_in(digests))
    for path, count in places:
        found = [serde.loads_typed(("msgpack", pieces[d])) for d in _next(waiting, abs(count)) if d in pieces]
        value = _put(value, path, found if count >= 0 else next(iter(found), ""))
    return value


def digests_in(digests: bytes) -> Sequence[bytes]:
    """Return the hashes that are concatenated in `digests`."""
    return [digests[at : at + DIGEST] for at in range(0, len(digests), DIGEST)]


def short_version(version: Any) -> Any:
    """Return the version of a channel in few bytes: savers use numbers of 32 digits."""
    if isinstance(version, str) and len(version) == 32 and version.isdecimal():
        return int(version)
    return [version] if isinstance(version, int) else version


def long_version(version: Any) -> Any:
    """Return the version that `short_version` shortened."""
    if isinstance(version, int):
        return f"{version:032}"
    return cast(list[Any], version)[0] if isinstance(version, list) else version


def with_versions(header: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a checkpoint's fields other than values, with its versions changed."""

    def changed(versions: Mapping[str, Any]) -> dict[str, Any]:
        return {channel: change(version) for channel, version in versions.items()}

    seen = {node: changed(versions) for node, versions in header["versions_seen"].items()}
    return {**header, "channel_versions": changed(header["channel_versions"]), "versions_seen": seen}


def _packed(body: bytes) -> bytes:
    if len(body) <= _SMALL:
        return body
    packer = compressobj(_FAST, DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL)
    return packer.compress(body) + packer.flush()


def _is(kind: type, value: object) -> bool:
    """Return whether a value has exactly this type: a subclass may hold more than its items."""
    return type(value) is kind


def _is_piece(value: Any) -> bool:
    return isinstance(value, BaseMessage) or (type(value) is str and len(value) > _LONG)


def _next(waiting: Any, count: int) -> list[bytes]:
    return [next(waiting) for _ in range(count)]


def _put(value: Any, path: list[Any], found: Any) -> Any:
    if not path:
        return found
    inside = value
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = found
    return value
