"""Estimate how long a JSON text takes to decode, before a decoder holds the interpreter's lock for it."""

MOST_WORK = 1_000_000
"""About 50 ms of decoding: 200,000 objects and lists, or a million plain values."""
_CONTAINER = 5
"""Cost of an object or a list, in plain values."""
SMALL = 100_000
"""Number of bytes that decode quickly, whatever they contain."""
_PART = 65_536


class JsonWork:
    """Counts the values of a JSON text that arrives in parts, ignoring the contents of strings."""

    def __init__(self) -> None:
        self.done = 0
        """Work so far, in plain values."""
        self._in_string = False
        self._held = b""

    def feed(self, part: bytes) -> int:
        """Count a part, and return the work of all parts so far."""
        part = self._held + part
        escapes = (len(part) - len(part.rstrip(b"\\"))) % 2 == 1
        self._held = b"\\" if escapes else b""  # The escaped character is in the next part.
        # Pairs first: of three backslashes before a quote the last one escapes it.
        part = part.removesuffix(self._held).replace(b"\\\\", b"").replace(b'\\"', b"")
        pieces = part.split(b'"')
        outside = b"".join(pieces[self._in_string :: 2])
        self._in_string ^= len(pieces) % 2 == 0
        # UTF-8 JSON has no NUL: this is another encoding, whose strings are not recognized here.
        self.done += _work_of(outside) + _CONTAINER * part.count(b"\0")
        return self.done


def is_too_much(text: bytes) -> bool:
    """Return whether a JSON text would take too long to decode."""
    if len(text) <= SMALL:
        return False
    if b"\0" not in text and _work_of(text) <= MOST_WORK:  # Even including the contents of strings.
        return False
    work = JsonWork()
    return any(work.feed(text[at : at + _PART]) > MOST_WORK for at in range(0, len(text), _PART))


def _work_of(text: bytes) -> int:
    return _CONTAINER * (text.count(b"[") + text.count(b"{")) + text.count(b",")
