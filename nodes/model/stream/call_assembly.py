"""Assemble tool calls from the fragments in a model's stream, for all servers' variants.

A call is identified by its id, then by its index, then by a new name after complete arguments. The same id
twice is one call, and so is a repeated complete call: a tool with side effects must not run twice.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from ...speech.preamble import PreambleReader
from ...text.outline import Outline
from .call_arguments import are_empty, call_arguments, own_arguments
from .delta import CallFragment
from .provider_fields import merged_fields

MOST_CALLS = 128
"""Maximum number of tool calls in a reply. OpenAI allows no more tools than that."""
_BEGINNINGS = ("{", '"{', "null", "```")
"""How arguments start; a piece from the middle hardly ever does."""
_BRACKETS = ("{", "[", '"')
_ENDS = ("}", '"', "l", "`")
"""How complete arguments end."""


@dataclass(slots=True, eq=False)
class GatheredCall:
    """A tool call being assembled."""

    index: int | None = None
    id: str | None = None
    name: str = ""
    arguments: str = ""
    extras: dict[str, Any] = field(default_factory=dict[str, Any])
    doubtful: bool = False
    """True while this may be a repetition of an earlier call; its arguments will decide."""
    dropped: bool = False
    """True if it turned out to repeat an earlier call."""
    preamble: PreambleReader = field(default_factory=PreambleReader)
    """Reads the preamble from the arguments."""
    _outline: Outline = field(default_factory=Outline)
    _parsed: tuple[str, dict[str, Any] | None] | None = None

    @property
    def is_whole(self) -> bool:
        """True if the arguments are complete."""
        if not self.arguments.rstrip().endswith(_ENDS):
            return False
        if self.arguments.lstrip().startswith(_BRACKETS):  # Each fragment is scanned only once.
            self._outline.feed(self.arguments[len(self._outline.text) :])
            if self._outline.ended_at is None:
                return False
        return self.parsed() is not None

    def parsed(self) -> dict[str, Any] | None:
        """Return the arguments, `None` if they are not a JSON object."""
        if self._parsed is None or self._parsed[0] != self.arguments:
            self._parsed = (self.arguments, call_arguments(self.arguments))
        return self._parsed[1]

    def own(self) -> dict[str, Any] | None:
        """Return the arguments for the tool itself."""
        return own_arguments(self.parsed())

    def has_same(self, own: dict[str, Any] | None) -> bool:
        """Return whether the arguments for the tool itself are the same."""
        return own is not None and self.own() == own

    def replace_arguments(self, arguments: str) -> None:
        """Replace placeholder arguments by the real ones."""
        self.arguments, self.preamble, self._outline = arguments, PreambleReader(), Outline()


class CallAssembly:
    """The tool calls of one message: add its fragments chunk by chunk."""

    def __init__(self, offered: Collection[str] = ()) -> None:
        """Use the names of the `offered` tools to distinguish a partial name from a complete one."""
        self.is_full = False
        """True if there are more calls than `MOST_CALLS`; the excess is dropped."""
        self._offered = frozenset(offered)
        self._calls: list[GatheredCall] = []
        self._by_index: dict[int, GatheredCall] = {}
        self._by_id: dict[str, GatheredCall] = {}
        self._last: GatheredCall | None = None
        self._earlier = 0
        """Number of calls before this chunk."""

    @property
    def calls(self) -> list[GatheredCall]:
        """The calls so far, in order."""
        return [call for call in self._calls if not call.dropped]

    def calls_from(self, place: int) -> list[GatheredCall]:
        """Return the calls from an index on, counted over all calls including dropped ones."""
        return self._calls[place:]

    def begin_chunk(self) -> None:
        """Start a new chunk of fragments."""
        self._earlier = len(self._calls)

    def add(self, fragment: CallFragment, *, whole: bool = False) -> tuple[GatheredCall, str] | None:
        """Add a fragment; return its call and the text added to the arguments, `None` if there is no call.

        A call in a `whole` message may repeat one that came in fragments.
        """
        call = self._known_whole(fragment) if whole else None
        if call is None:
            call = self._find(fragment)
        if len(self._calls) > MOST_CALLS:
            self.is_full, call = True, None
            self._calls.pop()
        if call is None:
            return None
        self._last = call
        if fragment.id and not call.id:
            call.id = fragment.id
            self._by_id.setdefault(fragment.id, call)
        if fragment.index is not None:
            self._by_index[fragment.index] = call
        if fragment.name:
            call.name = self._named(call, fragment.name)
        if fragment.extras:
            call.extras = merged_fields(call.extras, fragment.extras)
        return call, _extend(call, fragment.arguments)

    def settle(self, call: GatheredCall, *, ended: bool = False) -> bool:
        """Decide whether a call repeats an earlier one; return false while that is undecided."""
        if not call.doubtful:
            return True
        if not (ended or call.is_whole):
            return False
        call.doubtful = False
        own = call.own()
        for earlier in self._calls[: self._calls.index(call)]:
            same_id = bool(call.id) and call.id == earlier.id
            if earlier.dropped or not (same_id or (earlier.name == call.name and not call.id)):
                continue
            if same_id and are_empty(earlier.arguments) and not are_empty(call.arguments):
                earlier.arguments, call.dropped = call.arguments, True
            elif earlier.has_same(own) or (same_id and not call.is_whole):
                call.dropped = True
        return True

    def end(self) -> None:
        """Decide everything still open: no more fragments follow."""
        for call in self._calls:
            self.settle(call, ended=True)
            if not (call.name or call.id) and are_empty(call.arguments):
                call.dropped = True

    def _find(self, fragment: CallFragment) -> GatheredCall | None:
        index, call_id = fragment.index, fragment.id
        known = self._last if index is None else self._by_index.get(index)
        if known is not None and not fragment.name and call_id in (None, known.id):
            return known
        if call_id and (same := self._by_id.get(call_id)) is not None:
            return self._with_same_id(same, fragment)
        if known is None:
            return self._at_new_place(fragment)
        if call_id and known.id:
            return known if self._changes_its_id(known, fragment) else self._new(fragment)
        if not fragment.name:
            return known
        return known if self._goes_on(known, fragment) else self._new(fragment)

    def _with_same_id(self, same: GatheredCall, fragment: CallFragment) -> GatheredCall:
        """Return the call with that id, or a new one that may differ despite the same id."""
        if not fragment.name:
            return same
        text = fragment.arguments.lstrip()
        if self._named(same, fragment.name) == same.name != fragment.name:
            return self._new(fragment)
        if _is_partial(same) and text and not text.startswith(_BEGINNINGS):
            return same
        elsewhere = fragment.index not in (None, same.index) and not (are_empty(same.arguments) and text)
        if elsewhere or (same.is_whole and not are_empty(same.arguments)):
            return self._new(fragment, doubtful=fragment.name == same.name)
        return same

    def _at_new_place(self, fragment: CallFragment) -> GatheredCall | None:
        """Return the call for a new index: some servers count chunks, not calls."""
        last, text = self._last, fragment.arguments.lstrip()
        if last is None or fragment.id:
            return self._new(fragment)
        if fragment.name and not (_is_partial(last) and text and not text.startswith(_BEGINNINGS)):
            return self._new(fragment)
        if not fragment.name and last.is_whole and not are_empty(last.arguments):
            if not text:
                return None
            same = last.has_same(own_arguments(call_arguments(text)))
            return last if same else self._new(fragment)
        return self._new(fragment) if _is_partial(last) and text.startswith("{") else last

    def _changes_its_id(self, known: GatheredCall, fragment: CallFragment) -> bool:
        """Return whether a fragment continues the call at its index although its id differs."""
        text = fragment.arguments.lstrip()
        goes_on = _is_partial(known) and bool(text) and not text.startswith(_BEGINNINGS)
        if goes_on or fragment.index is None:
            return goes_on
        return not fragment.name or (not known.arguments and fragment.name == known.name and bool(text))

    def _goes_on(self, known: GatheredCall, fragment: CallFragment) -> bool:
        """Return whether a fragment with a name but no id continues the call at its index."""
        name, text = fragment.name or "", fragment.arguments.lstrip()
        if not known.name:
            return not (known.is_whole and text.startswith("{")) or are_empty(known.arguments)
        if name != known.name and {name, known.name} <= self._offered:
            return False
        if are_empty(known.arguments):
            if name == known.name:
                return not known.arguments.strip() or not are_empty(text) or self._is_again(known)
            return not known.arguments.strip() and self._named(known, name) != known.name
        if known.is_whole:
            return False
        return name == known.name or bool(text and not text.startswith(_BEGINNINGS))

    def _is_again(self, call: GatheredCall) -> bool:
        return call in self._calls[: self._earlier]

    def _new(self, fragment: CallFragment, *, doubtful: bool = False) -> GatheredCall:
        call = GatheredCall(index=fragment.index, doubtful=doubtful)
        if not fragment.id and fragment.name:
            earlier = self._calls[: self._earlier]
            call.doubtful = any(known.name == fragment.name and known.is_whole for known in earlier)
        self._calls.append(call)
        return call

    def _known_whole(self, fragment: CallFragment) -> GatheredCall | None:
        """Return the earlier call that a whole message repeats under another id."""
        own = own_arguments(call_arguments(fragment.arguments))
        for call in self._calls[: self._earlier]:
            if call.name == fragment.name and call.id != fragment.id:
                if call.has_same(own) or not call.is_whole:
                    return call
        return None

    def _named(self, call: GatheredCall, name: str) -> str:
        """Return the name of a call after another name, or a piece of it, has arrived."""
        if not call.name or (name.startswith(call.name) and not call.arguments):
            return name
        joined = call.name + name
        is_piece = name not in self._offered and any(known.startswith(joined) for known in self._offered)
        return joined if is_piece and not call.arguments else call.name


def _is_partial(call: GatheredCall) -> bool:
    return bool(call.arguments.strip()) and not call.is_whole


def _extend(call: GatheredCall, arguments: str) -> str:
    """Add to the arguments of a call; return the new text."""
    known = call.arguments
    if arguments[:1] == "{" and known:
        if are_empty(known) and not are_empty(arguments):  # The previous value was a placeholder.
            call.replace_arguments(arguments)
            return arguments
        if known[0] == "{" and len(arguments) > len(known) and arguments.startswith(known):
            call.arguments = arguments  # The fragment contains all arguments so far.
            return arguments[len(known) :]
    call.arguments += arguments
    return arguments
