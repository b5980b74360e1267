"""Decode the sentence spoken before a tool runs out of the JSON arguments that are still streaming.

The model writes its preamble as the argument `pre_exec_msg`, first by the schema. It is spoken while the
other arguments are still coming, so it is read with jiter's partial mode: only decoded characters that can
no longer change go out, never a byte of JSON.
"""

from typing import Any

import jiter

PREAMBLE = "pre_exec_msg"
HEARTBEAT = "request_heartbeat"


class PreambleReader:
    """Feed argument fragments of one tool call, get the speakable text that each one adds.

    Text comes in the order of its characters, whatever the fragmentation. `finished` is true once the
    preamble is complete: nothing more will come, so the next call's preamble may be spoken.
    """

    def __init__(self) -> None:
        self.finished = False
        self.begun = False
        """True once some of it was spoken; kept here for whoever speaks it."""
        self._json = ""
        self._given = 0

    def feed(self, fragment: str) -> str:
        """Return the new speakable text that `fragment` completes; empty when there is none."""
        if self.finished:
            return ""
        self._json += fragment
        if f'"{PREAMBLE}"' not in self._json:
            # Parsing can wait: long arguments in tiny fragments would cost their square.
            self.finished = fragment.rstrip().endswith("}") and _is_complete(self._json)
            return ""
        complete = _preamble_in(self._json, "on")
        self.finished = complete is not None
        return self._advance(complete if complete is not None else _preamble_in(self._json, "trailing-strings"))

    def close(self) -> str:
        """Return what is still unspoken, when all arguments have come."""
        if self.finished:
            return ""
        self.finished = True
        return self._advance(_preamble_in(self._json, "trailing-strings"))

    def _advance(self, text: str | None) -> str:
        fresh = (text or "")[self._given :]
        self._given += len(fresh)
        return fresh


def _is_complete(json_text: str) -> bool:
    try:
        jiter.from_json(json_text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return False
    return True


def _preamble_in(partial_json: str, mode: Any) -> str | None:
    """Return the preamble in the beginning of a JSON object, or `None`.

    jiter reports an escape or a surrogate pair that is cut in the middle as an error; the characters
    before it were given out already, the rest follows with the next fragment.
    """
    try:
        arguments = jiter.from_json(partial_json.encode("utf-8", "surrogatepass"), partial_mode=mode)
    except ValueError:
        return None
    text = arguments.get(PREAMBLE) if isinstance(arguments, dict) else None
    return text if isinstance(text, str) else None
