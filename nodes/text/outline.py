"""Follow the outline of a JSON value while its text streams, scanning each character once."""

import re

import regex

# Not `re`, whose possessive groups backtrack before Python 3.11.4.
_INSIDE_STRING = regex.compile(r'(?:[^"\\]++|\\.)*+', regex.DOTALL)
_MARK = re.compile(r'["{}\[\],]')


class Outline:
    """Feed it the text of an object, a list or a string; it finds a key of the object, or the end.

    It knows only strings and brackets: a parser must check that the text is JSON.
    """

    def __init__(self, key: str = "") -> None:
        """Look for `key`, written with its quotes, or only for the end."""
        self.text = ""
        """All text so far."""
        self.key_at: int | None = None
        """Position of the key; `None` until it is found."""
        self.ended_at: int | None = None
        """Position of the value's end; `None` while it is open."""
        self._key = key
        self._at: int = 0
        self._open = 0
        self._string_at: int | None = None
        self._before = ""

    def feed(self, piece: str) -> None:
        """Add a piece; scanning stops once the key or the end is found."""
        self.text += piece
        while self.key_at is None and self.ended_at is None and self._advance():
            pass

    def _advance(self) -> bool:
        """Advance past the next bracket, comma or end of a string; return false if there is none yet."""
        if self._string_at is not None:
            return self._end_string(self._string_at)
        mark = _MARK.search(self.text, self._at)
        self._at = len(self.text) if mark is None else mark.end()
        if mark is None:
            return False
        if mark[0] == '"':
            self._string_at = mark.start()
            return True
        self._before = mark[0]
        if mark[0] in "{[":
            self._open += 1
        elif mark[0] in "}]":
            self._open -= 1
            if self._open <= 0:
                self.ended_at = self._at
        return True

    def _end_string(self, begin: int) -> bool:
        inside = _INSIDE_STRING.match(self.text, self._at)
        self._at = inside.end() if inside else self._at
        if self.text[self._at : self._at + 1] != '"':
            return False
        self._at += 1
        self._string_at = None
        is_key = self._open == 1 and self._before in ("{", ",")
        if is_key and self.text[begin : self._at] == self._key:
            self.key_at = begin
        self._before = '"'
        if not self._open:
            self.ended_at = self._at
        return True
