"""Decode the sentence spoken before a tool runs out of the JSON arguments that are still streaming.

The model writes its preamble as the argument `pre_exec_msg`, first by the schema. It is spoken while the
other arguments are still coming, so it is read with jiter's partial mode: only decoded characters that can
no longer change go out, never a byte of JSON.
"""

import re
from collections.abc import Mapping
from typing import Any

import jiter

PREAMBLE = "pre_exec_msg"
LONGEST = 2_000
"""Characters of a preamble that are spoken at most."""
_LONGEST_GAP = 1_000
"""Blanks between the preamble's key and its text."""
HEARTBEAT = "request_heartbeat"
_KEY = f'"{PREAMBLE}"'
_VALUE = re.compile(rf'{_KEY}\s*:\s*(?:(?P<string>"(?:[^"\\]|\\.)*)(?P<end>"?)|[^\s"])', re.DOTALL)


class PreambleReader:
    """Feed argument fragments of one tool call, get the speakable text that each one adds.

    Text comes in the order of its characters, whatever the fragmentation. `finished` is true once the
    preamble is complete: nothing more will come, so the next call's preamble may be spoken.
    """

    def __init__(self) -> None:
        self.finished = False
        self._json = ""
        self._key_at: int | None = None
        self._open_braces = 0
        self._given = ""

    def feed(self, fragment: str) -> str:
        """Return the new speakable text that `fragment` completes; empty when there is none."""
        if self.finished:
            return ""
        seen = len(self._json)
        self._json += fragment
        if self._key_at is None:
            # The parser waits for the key: long arguments in tiny fragments would cost their square.
            self._key_at = _find_key(self._json, max(0, seen - len(_KEY)))
        if self._key_at is None:
            self._open_braces += fragment.count("{") - fragment.count("}")
            closed = self._open_braces == 0 and fragment.rstrip().endswith("}")
            self.finished = closed and isinstance(_parse(self._json, False), dict)
            return ""
        return self._advance(self._key_at)

    def close(self, arguments: Mapping[str, Any] | None = None) -> str:
        """Take note that all arguments have come; return what of the preamble only they show.

        That is all of it when the arguments are no plain JSON, such as JSON within JSON.
        """
        self.finished = True
        text = (arguments or {}).get(PREAMBLE)
        if not isinstance(text, str) or not text.startswith(self._given):
            return ""
        fresh = text[len(self._given) : LONGEST]
        self._given += fresh
        return fresh

    def _advance(self, key_at: int) -> str:
        found = _VALUE.match(self._json, key_at)
        if found is None:
            # A model that loops in blanks would have them all looked at again with each one.
            self.finished = len(self._json) - key_at > _LONGEST_GAP
            return ""
        text = _parse(found["string"] or "", "trailing-strings")
        if not isinstance(text, str):  # Another type, or no JSON: nothing more will come of it.
            self.finished = True
            return ""
        self.finished = bool(found["end"])
        if len(text) >= LONGEST:
            self.finished = True  # A model that loops in here would be parsed, and heard, without end.
        fresh = text[len(self._given) : LONGEST]
        self._given += fresh
        return fresh


def _find_key(partial_json: str, start: int) -> int | None:
    """Return where the preamble's key stands in the arguments, `None` while it has not come.

    Values and nested objects may hold the same name, so the parser has to tell.
    """
    at = partial_json.find(_KEY, start)
    while at >= 0:
        arguments = _parse(f"{partial_json[:at]}{_KEY}:0", "on")
        if isinstance(arguments, dict) and PREAMBLE in arguments:
            return at
        at = partial_json.find(_KEY, at + 1)
    return None


def _parse(partial_json: str, mode: Any) -> Any:
    """Return the value that the text begins with, `None` when it is no JSON.

    In the mode `trailing-strings` an escape or a surrogate pair that is cut in the middle is left out; it
    comes with a later fragment.
    """
    try:
        return jiter.from_json(partial_json.encode("utf-8", "surrogatepass"), partial_mode=mode)
    except ValueError:
        return None
