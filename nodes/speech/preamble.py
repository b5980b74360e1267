"""Decode the sentence spoken before a tool runs from JSON arguments that are still streaming.

The model writes its preamble as the argument `pre_exec_msg`, the first one in the schema. It is spoken while
the other arguments are still arriving: only final, decoded characters are spoken, never JSON itself. Each
character is scanned once, however small the fragments are.
"""

import re
from collections.abc import Mapping
from typing import Any

import jiter
import regex

from ..text.outline import Outline

PREAMBLE = "pre_exec_msg"
LONGEST = 2_000
"""Maximum number of spoken characters of a preamble."""
_LONGEST_GAP = 1_000
"""Maximum number of blanks between the preamble's key and its text."""
_LONGEST_ESCAPE = 12
r"""Length of an escaped character outside Unicode's first plane: `\ud83d\ude42`."""
HEARTBEAT = "request_heartbeat"
_KEY = f'"{PREAMBLE}"'
_VALUE = re.compile(r"\s*:\s*(\S)")
# Not `re`, whose possessive groups backtrack before Python 3.11.4.
_CHARACTERS = regex.compile(
    r'(?:[^"\\\x00-\x1f\ud800-\udfff]++|\\["\\/bfnrt]|\\u(?![dD][89a-fA-F])[0-9a-fA-F]{4}'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*+"
)
"""The complete characters at the start of a JSON string: no escape is split."""


class PreambleReader:
    """Feed it the argument fragments of one tool call, get the speakable text that each one adds.

    The text does not depend on the fragmentation. `finished` is true once the preamble is complete, so the
    next call's preamble may be spoken.
    """

    def __init__(self) -> None:
        self.finished = False
        self._outline = Outline(_KEY)
        self._is_json = True
        self._after_key: str | None = None
        self._in_text = False
        self._given = ""

    def feed(self, fragment: str) -> str:
        """Return the new speakable text that `fragment` completes, possibly empty."""
        if self.finished or not self._is_json:
            return ""
        if self._after_key is None:
            self._find_key(fragment)
        else:
            self._after_key += fragment
        return "" if self._after_key is None else self._advance(self._after_key)

    def close(self, arguments: Mapping[str, Any] | None = None) -> str:
        """Note that all arguments have arrived; return the rest of the preamble.

        That is all of it if the arguments are not plain JSON, such as JSON within JSON.
        """
        self.finished = True
        text = (arguments or {}).get(PREAMBLE)
        if not isinstance(text, str) or not text.startswith(self._given):
            return ""
        fresh = text[len(self._given) : LONGEST]
        self._given += fresh
        return fresh

    def _find_key(self, fragment: str) -> None:
        """Look for the preamble's key; values and nested objects may contain the same name."""
        outline = self._outline
        outline.feed(fragment)
        if outline.key_at is not None:
            self._is_json = isinstance(_parse(f"{outline.text[: outline.key_at]}{_KEY}:0", "on"), dict)
            if self._is_json:
                self._after_key = outline.text[outline.key_at + len(_KEY) :]
        elif outline.ended_at is not None:
            self.finished = self._is_json = isinstance(_parse(outline.text[: outline.ended_at], False), dict)

    def _advance(self, rest: str) -> str:
        if not self._in_text:
            found = _VALUE.match(rest)
            if (
                found is None or found[1] != '"'
            ):  # The model may repeat blanks endlessly, or give another type.
                self.finished = found is not None or len(rest) > _LONGEST_GAP
                return ""
            self._in_text, rest = True, rest[found.end() :]
        found = _CHARACTERS.match(rest)
        size = found.end() if found else 0
        text = _parse(f'"{rest[:size]}"', False)
        self._after_key = rest = rest[size:]
        fresh = text[: LONGEST - len(self._given)] if isinstance(text, str) else ""
        self._given += fresh
        # A model in a loop would be heard endlessly.
        is_whole = rest[:1] == '"' or len(self._given) >= LONGEST
        self.finished = is_whole or len(rest) >= _LONGEST_ESCAPE
        return fresh


def _parse(partial_json: str, mode: Any) -> Any:
    """Return the value at the start of the text, `None` if it is not JSON."""
    try:
        return jiter.from_json(partial_json.encode("utf-8", "surrogatepass"), partial_mode=mode)
    except ValueError:
        return None
