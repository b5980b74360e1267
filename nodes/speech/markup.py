"""Tags and template tokens in a model's text: they belong to its chat template and must not be spoken.

Thoughts are enclosed in tags of many kinds, or in a separate channel (OpenAI's Harmony format). Tool calls
are written as text if a server does not know the model's format. Tokens that start and end messages slip
through if a template does not match.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["thought", "call", "result", "header", "message", "end", "token"]

_THOUGHTS = (
    *(
        "think",
        "thinking",
        "thought",
        "thoughts",
        "reasoning",
        "reason",
        "reflection",
        "analysis",
        "scratchpad",
    ),
    *("inner_monologue", "internal_monologue", "seed:think", "mm:think", "antml:thinking"),
)
_CALLS = (
    *("tool_call", "tool_calls", "toolcall", "function_call", "function_calls", "functioncall", "tool_use"),
    *("function", "invoke", "minimax:tool_call", "antml:function_calls", "antml:invoke", "tool_code"),
)
_RESULTS = ("tool_response", "tool_result", "tool_results", "function_response", "function_results")
_TOKENS = (
    *("s", "bos", "eos", "pad", "unk", "mask", "end_of_turn", "start_of_turn", "end_of_utterance"),
    *("answer", "final_answer"),
)
_REGIONS: dict[str, Kind] = {
    **dict.fromkeys(_THOUGHTS, "thought"),
    **dict.fromkeys(_CALLS, "call"),
    **dict.fromkeys(_RESULTS, "result"),
}
_BAR_NAMES = ("channel", "tool_call", "tool_response", "turn", "think")
"""Names of closing tokens in the form `<name|>`."""
_SQUARE_NAMES = (
    *("TOOL_CALLS", "TOOL_RESULTS", "AVAILABLE_TOOLS", "INST", "SYSTEM_PROMPT", "ARGS", "CALL_ID"),
    *("THINKING", "THOUGHT", "REASONING", "BOS", "EOS"),
)
_THOUGHT_TOKEN = re.compile(
    r"(?:(?:begin|start|end)_(?:of_)?)?(?:think|thinking|thoughts?|reasoning)(?:_\w+)?"
)
_HEADERS = frozenset({"start", "channel", "im_start", "start_header_id", "turn"})
_MESSAGES = frozenset({"message", "end_header_id", "im_sep"})
_ENDS = frozenset(
    {"end", "return", "call", "im_end", "eot_id", "eom_id", "endoftext", "end_of_text", "end_of_turn", "eot"}
    | {"end_of_sentence", "eos", "turn_end"}
)


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(names, key=len, reverse=True)))


def _beginnings(names: Iterable[str]) -> str:
    return _any_of({name[:size] for name in names for size in range(1, len(name) + 1)})


# Anything longer, or with more blanks, is text. One word without a value may follow a tag's name, as in HTML.
_BLANKS, _WORD, _VALUE = r"\s{0,3}", r"[^\s<>|\uff5c\[\]]{1,64}", r"=[^<>]{0,200}"
_TAG = re.compile(
    rf"<{_BLANKS}(?P<slash>/?){_BLANKS}(?P<name>(?i:{_any_of(_REGIONS)}))"
    rf"(?P<rest>{_BLANKS}/?|\s{_BLANKS}[\w:.-]+{_BLANKS}/?|(?:\s{_BLANKS}[\w:.-]+{_BLANKS})?{_VALUE})>"
    rf"|<{_BLANKS}(?P<end>/?){_BLANKS}(?P<plain>(?i:{_any_of(_TOKENS)})){_BLANKS}/?>"
    rf"|<[|\uff5c](?P<token>{_WORD})[|\uff5c]?>"
    rf"|<(?P<closing>/?(?:{_any_of(_BAR_NAMES)}))[|\uff5c]>"
    rf"|\[{_BLANKS}(?P<off>/?){_BLANKS}(?P<square>{_any_of(_SQUARE_NAMES)}|(?i:THINK)){_BLANKS}\]"
    r"|<<(?P<system>/?SYS)>>"
    r"|\u25c1(?P<kimi>/?)think\u25b7"
)
_BEGINNING = re.compile(
    rf"(?:<{_BLANKS}(?:/{_BLANKS})?(?:(?i:{_beginnings(_REGIONS)}){_BLANKS}/?"
    rf"|(?i:{_any_of(_REGIONS)})(?:\s{_BLANKS}[\w:.-]+{_BLANKS}/?|(?:\s{_BLANKS}[\w:.-]+{_BLANKS})?{_VALUE})"
    rf"|(?i:{_beginnings(_TOKENS)}){_BLANKS}/?)?"
    rf"|<[|\uff5c](?:{_WORD}[|\uff5c]?)?"
    rf"|</?(?:{_beginnings(_BAR_NAMES)}|(?:{_any_of(_BAR_NAMES)})[|\uff5c])"
    rf"|\[{_BLANKS}(?:/{_BLANKS})?(?:(?:{_beginnings(_SQUARE_NAMES)}|(?i:{_beginnings(['THINK'])})){_BLANKS})?"
    r"|<<(?:/?(?:S(?:Y(?:S>?)?)?)?)?"
    r"|\u25c1(?:/?(?:t(?:h(?:i(?:n(?:k)?)?)?)?)?)?)\Z"
)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag in a text: its position and its characters."""

    kind: Kind
    name: str
    closes: bool
    start: int
    text: str

    def ends(self, opened: "Tag | None") -> bool:
        """Return whether this tag closes `opened`, `None` for thoughts without an opening tag."""
        if self.kind == "header":
            return opened is None or opened.kind != "thought"
        if self.kind == "end":
            return opened is not None and opened.kind != "thought"
        if opened is None or opened.kind == "thought":
            return self.kind == "thought" and self.closes
        return self.kind == opened.kind and self.closes and _stem(self.name) == _stem(opened.name)


def is_plain(text: str) -> bool:
    """Return whether a text certainly contains no tag and no start of one."""
    return "<" not in text and "[" not in text and "\u25c1" not in text


def find_tag(text: str) -> Tag | None:
    """Return the first tag in a text."""
    found = _TAG.search(text)
    if found is None:
        return None
    kind, name, closes = _meaning(found)
    return Tag(kind, name, closes, found.start(), found.group())


def tag_beginning(text: str) -> int:
    """Return the position of a partial tag at the end of the text, the text's length without one."""
    found = _BEGINNING.search(text)
    return len(text) if found is None else found.start()


def is_token_beginning(text: str) -> bool:
    """Return whether a text at the end of the reply is a partial template token, never a word."""
    return len(text) > 2 and text[1] in "|\uff5c"


def _stem(name: str) -> str:
    """Return the name without its start or end marker, as in `tool_calls_begin` and `tool_calls_end`."""
    return re.sub(r"^(begin|start|end)_|_(begin|start|end)$", "", name)


def _meaning(found: re.Match[str]) -> tuple[Kind, str, bool]:
    if found["name"]:
        name = found["name"].lower()
        is_empty = found["rest"].endswith("/") and "=" not in found["rest"]
        return ("token" if is_empty else _REGIONS[name]), name, bool(found["slash"])
    if found["plain"]:
        return _plain(found["plain"].lower(), bool(found["end"]))
    if found["square"]:
        return _square(found["square"].upper(), bool(found["off"]))
    if found["closing"]:
        return _token(f"/{found['closing'].strip('/')}")
    if found["kimi"] is not None:
        return "thought", "think", bool(found["kimi"])
    return ("token", "SYS", False) if found["system"] else _token(found["token"])


def _plain(name: str, closes: bool) -> tuple[Kind, str, bool]:
    if name == "start_of_turn":
        return "header", name, False
    ends = name in ("eos", "end_of_turn", "end_of_utterance") or (name == "s" and closes)
    return ("end" if ends else "token"), name, closes


def _square(name: str, closes: bool) -> tuple[Kind, str, bool]:
    if name in ("THINK", "THINKING", "THOUGHT", "REASONING"):
        return "thought", name, closes
    if name == "TOOL_CALLS":
        return "call", name, closes
    return ("end" if name == "EOS" else "token"), name, closes


def _token(token: str) -> tuple[Kind, str, bool]:
    """Return the meaning of the text between `<|` and `|>`."""
    name = token.strip("/").lower().replace("\u2581", "_")
    closes = token.startswith("/") or name.startswith("end_") or name.endswith("_end")
    if name in _HEADERS:
        return ("end", name, True) if token.startswith("/") else ("header", name, False)
    if name in _MESSAGES:
        return "message", name, False
    if name in _ENDS:
        return "end", name, False
    if _THOUGHT_TOKEN.fullmatch(name):
        return "thought", name, closes
    if name == "python_tag" or "tool_call" in name or "function_call" in name:
        return "call", name, closes
    if "tool_response" in name or "tool_output" in name:
        return "result", name, closes
    return "token", name, False
