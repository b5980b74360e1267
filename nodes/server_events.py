"""Server-sent events, from bytes that come in any portions."""

_BOM = b"\xef\xbb\xbf"


class EventReader:
    """Cut a stream of bytes into the data of its events.

    Lines end with LF, CRLF or CR and nothing else: text within JSON may hold any other separator. Comments
    and fields other than `data` are left out, and so is an event that the stream's end cuts off.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of the events that are whole now."""
        text = self._rest + data
        if not self._begun:
            if _BOM.startswith(text):
                self._rest = text
                return []
            text = text.removeprefix(_BOM)
            self._begun = True
        held = b""
        if b"\r" in text:
            if text.endswith(b"\r"):  # Its LF may come with the next bytes.
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = text.split(b"\n")
        self._rest = lines.pop() + held
        events: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line and self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
        return events
