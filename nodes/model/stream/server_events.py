"""Parse server-sent events from bytes in arbitrary pieces."""

from ....state.errors import ModelProtocolError

ServerEvent = tuple[bytes, str]
"""The data of an event, and its name, which is usually empty."""

_BOM = b"\xef\xbb\xbf"
MOST_BYTES = 12_000_000
"""Maximum bytes of one line: about 50 ms of work, and far more than a reply may have."""


class EventReader:
    """Splits a stream of bytes into its events.

    Only LF, CRLF and CR end lines: text within JSON may contain other separators. Comments and fields other
    than `data` and `event` are ignored.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._unended: list[bytes] = []
        self._unended_size = 0
        self._data: list[bytes] = []
        self._name = ""
        self._begun = False

    def feed(self, data: bytes) -> list[ServerEvent]:
        """Return the events that are now complete.

        Raises `ModelProtocolError` for a line that is too long.
        """
        if self._begun and b"\n" not in data and b"\r" not in data:
            self._unended.append(data)
            self._unended_size += len(data)
            if self._unended_size > MOST_BYTES:
                raise ModelProtocolError("a line of the answer is too long")
            if not self._rest.endswith(b"\r"):
                return []  # Joined once, at the end of the line: otherwise the cost would be quadratic.
            data = b""
        text = self._rest + data
        if self._unended:
            text = b"".join((self._rest, *self._unended, data))
            self._unended, self._unended_size = [], 0
        if not self._begun:
            if _BOM.startswith(text):
                self._rest = text
                return []
            text = text.removeprefix(_BOM)
            self._begun = True
        held = b""
        if b"\r" in text:
            if text.endswith(b"\r"):  # Its LF may be in the next bytes.
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = text.split(b"\n")
        self._rest = lines.pop() + held
        events: list[ServerEvent] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line:
                if self._data or self._name:
                    events.append(self._event())
            elif line.startswith(b"event:"):
                self._name = line[6:].strip().decode(errors="replace")
        return events

    def close(self) -> list[ServerEvent]:
        """Return the event at the end of the stream: some servers omit the empty line after it."""
        return self.feed(b"\n\n")

    def _event(self) -> ServerEvent:
        data, name = self._data, self._name
        self._data, self._name = [], ""
        return data[0] if len(data) == 1 else b"\n".join(data), name
