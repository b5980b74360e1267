"""Extract the spoken text from a model's output: no thoughts, template tokens or written calls."""

from typing import Literal

from .markup import Tag, find_tag, is_plain, is_token_beginning, tag_beginning
from .message_header import Header, read_header

_Mode = Literal["speech", "thought", "call", "result", "header"]
_MOST_WRITTEN = 100_000
"""Maximum characters of written calls that are stored."""


class SpokenText:
    """Feed it text in fragments, get the text to speak, independent of the fragmentation.

    A possible start of a tag waits for the next fragment. Blanks after removed text are removed too, unless
    they separate two words.
    """

    def __init__(self, *, thoughts_first: bool = False) -> None:
        """Optionally start within thoughts, up to the closing tag, for templates that open them."""
        self.written: list[str] = []
        """The tool calls written as text, including tags."""
        self._written_size = 0
        self._mode: _Mode = "thought" if thoughts_first else "speech"
        self._opened: Tag | None = None
        self._pending = ""
        self._held = ""
        self._last = " "
        self._skip_blanks = False
        self._new_message = False

    def skip_opening(self) -> None:
        """Hold nothing back at the start: the server itself separates thoughts from text."""
        if self._mode == "thought" and self._opened is None:
            self._mode = "speech"

    def feed(self, fragment: str) -> str:
        """Return the text that is certain so far."""
        if is_plain(fragment) and self._mode == "speech" and not (self._pending or self._skip_blanks):
            return self._speak(fragment) if self._new_message else self._pass(fragment)
        self._pending += fragment
        words = ""
        while (tag := find_tag(self._pending)) is not None:
            text, self._pending = self._pending[: tag.start], self._pending[tag.start + len(tag.text) :]
            words += self._take(text)
            words += self._meet(tag)
        cut = tag_beginning(self._pending)
        text, self._pending = self._pending[:cut], self._pending[cut:]
        return words + self._take(text)

    def close(self) -> str:
        """Return the rest at the end of the reply; unclosed parts stay unspoken."""
        rest, self._pending = self._pending, ""
        words = "" if is_token_beginning(rest) else self._take(rest)
        self._end_part()
        return words

    def _take(self, text: str) -> str:
        """Route text by the current mode, and return it if it is to be spoken."""
        if self._mode == "speech":
            return self._speak(text)
        if self._mode in ("call", "header") and len(self._held) < _MOST_WRITTEN:
            self._held += text[:_MOST_WRITTEN]
        header = read_header(self._held) if self._mode == "header" and text else None
        return "" if header is None else self._begin_message(header)

    def _speak(self, text: str) -> str:
        if self._skip_blanks:
            text = text.lstrip()
        if not text:
            return ""
        if self._new_message and not (self._last.isspace() or text[0].isspace()):
            text = " " + text
        self._new_message = self._skip_blanks = False
        return self._pass(text)

    def _pass(self, text: str) -> str:
        self._last = text[-1:] or self._last
        return text

    def _meet(self, tag: Tag) -> str:
        """Change the mode according to a tag; return text that was held as a header but is not one."""
        words = ""
        if self._mode == "header":
            if tag.name in ("channel", "constrain"):  # Parts of Harmony's headers.
                self._held += " "
                return ""
            words = self._begin_message(read_header(self._held, ended=True))
            if tag.kind == "message":
                return words
        if self._mode != "speech":
            if not tag.ends(self._opened):
                is_kept = self._mode == "call" and len(self._held) < _MOST_WRITTEN
                self._held += tag.text if is_kept else ""
                return words
            self._end_part()
        self._skip_blanks = self._last.isspace()
        if tag.kind in ("thought", "call", "result", "header") and not tag.closes:
            self._mode, self._opened = tag.kind, tag
            self._held = tag.text if tag.kind == "call" else ""
        return words

    def _begin_message(self, header: Header | None) -> str:
        """Continue after a header; return text that has already followed it."""
        assert header is not None
        self._held += "\n"
        self._mode = header.purpose or "speech"
        if header.purpose == "speech":
            self._new_message = self._skip_blanks = True
        return self._take(header.rest)

    def _end_part(self) -> None:
        """End a part that is not spoken; a written call is stored."""
        if self._mode == "call" and self._written_size < _MOST_WRITTEN:
            self._written_size += len(self._held)
            self.written.append(self._held)
        self._mode, self._held = "speech", ""
